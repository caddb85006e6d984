/* eigen.hpp - the installed name, <tapir/eigen.hpp>, for programs that build with this tree as a
 * subproject. */
#include "../../engine/eigen.hpp"
