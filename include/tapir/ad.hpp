/* ad.hpp - the installed name, <tapir/ad.hpp>, for programs that build with this tree as a
 * subproject. */
#include "../../engine/ad.hpp"
