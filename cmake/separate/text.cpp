// Tokenizers and JSON, compiled once for all of this project's programs (verbatim/core/separate.hpp).
#include "verbatim/text/bpe.ipp.hpp"
#include "verbatim/text/json.ipp.hpp"
#include "verbatim/text/tokenizer_config.ipp.hpp"
