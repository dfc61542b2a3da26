/* csrc/io/load/dead_letters.h: rejects into headrace.dead_letters, in the transaction of their batch. */
#ifndef HR_IO_DEAD_LETTERS_H
#define HR_IO_DEAD_LETTERS_H

#include "work.h"

/* COPY the work's rejects into the table. `target` is the table's name for people. */
int hr_dead_letters_write(hr_pg *pg, const hr_load_config *config, const char *target, const hr_work *work, hr_error *error);

/* For a replay: mark the dead letters that became rows as replayed, and count an attempt (with its new reason) for those rejected again.
 * HR_EFENCED when somebody else has replayed one of them meanwhile. */
int hr_dead_letters_settle(hr_pg *pg, const hr_load_config *config, const hr_work *work, hr_error *error);

#endif
