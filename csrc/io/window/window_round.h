/* csrc/io/window/window_round.h: how the processes of a bounded run find out that it is over. docs/windows.md has the protocol (Rounds).
 *
 * A topic of several partitions is done with in rounds. Who has the second stage opens one; each share answers when it has read up to its
 * end as it was then, and says its last word when its watermark is final; the second stage, having taken all last words in, publishes and
 * declares the round to be over. All of that is committed with the results it belongs to, and told in the group's offsets: it is true for
 * every process, and for the next one when one dies.
 */
#ifndef HR_IO_WINDOW_ROUND_H
#define HR_IO_WINDOW_ROUND_H

#include "window_worker.h"

/* Once in a while: open, answer and end rounds, as far as this worker's shares go; raises job->stop when the run has come to its end. */
int hr_window_round_look(hr_window_worker *worker, hr_error *error);
/* Ask the group for the words of all shares into worker->words, and note those of shares that are not ours. */
int hr_window_round_ask(hr_window_worker *worker, hr_error *error);
/* What idle partitions may be raised to: the lowest watermark of those that are not idle; the highest of all when all are.
 * HR_NO_WATERMARK: not known yet. `round`: all must have answered it. Call with the job's lock. */
int64_t hr_window_round_watermark(const hr_window_job *job, int64_t round);
/* Whether all shares are this process's. */
bool hr_window_round_alone(const hr_window_job *job);

#endif
