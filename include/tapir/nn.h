/* nn.h - the installed name, <tapir/nn.h>, for programs that build with this tree as a
 * subproject. */
#include "../../nn/nn.h"
