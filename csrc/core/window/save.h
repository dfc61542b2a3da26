/* csrc/core/window/save.h: what writing and reading states agree on. */
#ifndef HR_CORE_SAVE_H
#define HR_CORE_SAVE_H

#define HR_SAVE_MAGIC "HRWINDOW"
#define HR_SAVE_MAGIC_SIZE 8
#define HR_SAVE_VERSION 1
#define HR_SAVE_WINDOWS 1u /* keys, dictionaries and windows follow the lanes */
#define HR_SAVE_PARTIAL 2u /* of closed windows, for a second stage */

#endif
