// What of the HTTP front is no template, compiled once for all of this project's programs (verbatim/core/separate.hpp).
#include "verbatim/front/exposure.ipp.hpp"
