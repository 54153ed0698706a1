// The HTTP front of the scripted engine, compiled once for the tests and the program that serve it.
#include "http/fake_engine.hpp"

#include "verbatim/front/openai_front.ipp.hpp"

template class verbatim::openai_front<fake::text, fake::chat_template>;
