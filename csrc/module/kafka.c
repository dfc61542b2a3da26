/* csrc/module/kafka.c: what is asked of a Kafka cluster besides loading. */
#include "module/module.h"

PyMethodDef hr_py_kafka_methods[] = {
    {NULL, NULL, 0, NULL},
};
