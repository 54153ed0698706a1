// Chat templates, compiled once for all of this project's programs (verbatim/core/separate.hpp).
#include "verbatim/text/chat_template.ipp.hpp"
#include "verbatim/text/jinja/template.ipp.hpp"
