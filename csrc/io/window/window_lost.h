/* csrc/io/window/window_lost.h: whether the source still has what a share builds on, and the state what the group says.
 *
 * A topic may have lost frames before they were read, or those that open windows have to be read again from; it may have been deleted and
 * made anew, so that its offsets name other frames. Each is the end of the run, with what was lost; or it is accepted (lost_offsets =
 * earliest), and told in the receipt. A share whose state is gone, or older than what was published, is always the end of the run.
 */
#ifndef HR_IO_WINDOW_LOST_H
#define HR_IO_WINDOW_LOST_H

#include "window_worker.h"

/* Look at shares that were just taken over (flow->known is false): worker->words is what the group knows of them. */
int hr_window_lost_look(hr_window_worker *worker, hr_error *error);
/* A frame came that the share may have read before. When it is another one than then: fail, or begin anew as the job says. */
int hr_window_lost_verify(hr_window_worker *worker, hr_flow *flow, const hr_record *record, hr_error *error);

#endif
