/* csrc/io/window/window_table.h: results into a PostgreSQL table, one row for each window and key, replaced when it comes again. */
#ifndef HR_IO_WINDOW_TABLE_H
#define HR_IO_WINDOW_TABLE_H

#include "io/postgres.h"
#include "window_config.h"

typedef struct hr_window_table hr_window_table;

/* Connect; make the table when the job says so (table_create). `results` is the schema of the rows. HR_ESCHEMA with the CREATE TABLE that
 * would do when there is no such table, or when it lacks a column or the unique key: before anything is read. */
int hr_window_table_open(const hr_window_config *config, const hr_schema *results, const atomic_bool *cancel, hr_window_table **out,
                         hr_error *error);
/* Insert or replace the rows, given as JSON objects with ",\n" between: some megabytes in one transaction. A server that goes away is
 * waited for (about a minute), and what it has not confirmed is sent again. `rows` must not name one window and key twice. */
int hr_window_table_write(hr_window_table *table, const hr_buffer *rows, hr_error *error);
void hr_window_table_close(hr_window_table *table); /* NULL is fine */

#endif
