/* csrc/io/window/window_table.h: results into a PostgreSQL table, one row for each window and key, replaced when it comes again. */
#ifndef HR_IO_WINDOW_TABLE_H
#define HR_IO_WINDOW_TABLE_H

#include "io/postgres.h"
#include "window_config.h"

typedef struct hr_window_table hr_window_table;

/* Connect; make the table when the job says so (table_create). `results` is the schema of the rows. HR_ESCHEMA with the CREATE TABLE that
 * would do when there is no such table. */
int hr_window_table_open(const hr_window_config *config, const hr_schema *results, const atomic_bool *cancel, hr_window_table **out,
                         hr_error *error);
/* Insert or replace the rows, given as JSON objects with commas between: in one transaction, tried again on a new connection when the old
 * one is lost. `rows` must not name one window and key twice. */
int hr_window_table_write(hr_window_table *table, const hr_buffer *rows, hr_error *error);
void hr_window_table_close(hr_window_table *table); /* NULL is fine */

#endif
