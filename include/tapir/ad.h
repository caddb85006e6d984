/* ad.h - the installed name, <tapir/ad.h>, for programs that build with this tree as a
 * subproject. */
#include "../../engine/ad.h"
