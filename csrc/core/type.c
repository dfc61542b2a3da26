/* csrc/core/type.c: the table of types, and types by name and by oid. */
#include "type.h"

extern const hr_type_ops hr_type_bool, hr_type_int2, hr_type_int4, hr_type_int8, hr_type_float4, hr_type_float8, hr_type_decimal,
    hr_type_numeric, hr_type_text, hr_type_varchar, hr_type_bpchar, hr_type_bytea, hr_type_date, hr_type_time, hr_type_timestamp,
    hr_type_timestamptz, hr_type_interval, hr_type_uuid, hr_type_json, hr_type_jsonb, hr_type_enum, hr_type_array, hr_type_other;

const hr_type_ops *const hr_type_table[HR_KIND_COUNT] = {
    [HR_BOOL] = &hr_type_bool,           [HR_INT2] = &hr_type_int2,
    [HR_INT4] = &hr_type_int4,           [HR_INT8] = &hr_type_int8,
    [HR_FLOAT4] = &hr_type_float4,       [HR_FLOAT8] = &hr_type_float8,
    [HR_DECIMAL] = &hr_type_decimal,     [HR_NUMERIC] = &hr_type_numeric,
    [HR_TEXT] = &hr_type_text,           [HR_VARCHAR] = &hr_type_varchar,
    [HR_BPCHAR] = &hr_type_bpchar,       [HR_BYTEA] = &hr_type_bytea,
    [HR_DATE] = &hr_type_date,           [HR_TIME] = &hr_type_time,
    [HR_TIMESTAMP] = &hr_type_timestamp, [HR_TIMESTAMPTZ] = &hr_type_timestamptz,
    [HR_INTERVAL] = &hr_type_interval,   [HR_UUID] = &hr_type_uuid,
    [HR_JSON] = &hr_type_json,           [HR_JSONB] = &hr_type_jsonb,
    [HR_ENUM] = &hr_type_enum,           [HR_ARRAY] = &hr_type_array,
    [HR_OTHER] = &hr_type_other,
};
