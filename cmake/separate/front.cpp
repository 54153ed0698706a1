// The HTTP front and Boost behind it, compiled once for all of this project's programs (verbatim/core/separate.hpp).
#include "verbatim/front/openai_front.ipp.hpp"
#include "verbatim/text/bpe.hpp"
#include "verbatim/text/chat_template.hpp"

template class verbatim::openai_front<verbatim::bpe, verbatim::chat_template>;
