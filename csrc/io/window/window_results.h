/* csrc/io/window/window_results.h: rows of closed windows as JSON, for the result topic and for the table. */
#ifndef HR_IO_WINDOW_RESULTS_H
#define HR_IO_WINDOW_RESULTS_H

#include "core/batch.h"

typedef struct hr_window_result {
    const uint8_t *key, *value; /* until the next one is made */
    size_t key_len, len;
} hr_window_result;

/* What is made of rows; grows with the longest. */
typedef struct hr_window_writer {
    hr_buffer key, value, text;
} hr_window_writer;

/* One row of hr_windows_schema (with "window" and "final"). The key is the window's start, "/" and its kind when there are several kinds
 * (`named`), and "/" and its value for each of the by_count key columns, "/" and "%" in it as "%2F" and "%25". */
int hr_window_result_make(hr_window_writer *writer, const hr_batch *results, int64_t row, int32_t by_count, bool named,
                          hr_window_result *out, hr_error *error);
void hr_window_writer_free(hr_window_writer *writer);

/* Whether the row is final, and whether it is of another window than the row before. */
bool hr_window_result_is_final(const hr_batch *results, int64_t row);
bool hr_window_result_is_next(const hr_batch *results, int64_t row);

#endif
