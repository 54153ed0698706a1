// Encoding and decoding speed of one thread, and the time to load. usage: bench_tokenizer TOKENIZER TEXT [RUNS [PIECE]]
// The text is given in pieces of about PIECE bytes (default 10,000), cut behind line ends. Times are processor time of this
// process, because machines are shared.
// Prints one JSON line; the best of RUNS (default 3) counts. There is no cache of words to be warmed: nothing is remembered
// between words or calls. `digest` is a hash of all ids, so that a peer's output can be compared.
#include <algorithm>
#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/bpe.hpp"
#include "verbatim/text/tokenizer_json.hpp"

namespace {

template <class Work> double seconds(Work&& work) {
  std::clock_t const begin = std::clock();
  work();
  return double(std::clock() - begin) / CLOCKS_PER_SEC;
}

std::vector<std::string_view> cut(std::string_view text, std::size_t piece) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    std::size_t const line = text.find('\n', std::min(piece, text.size()));
    pieces.push_back(text.substr(0, line == text.npos ? line : line + 1));
    text.remove_prefix(pieces.back().size());
  }
  return pieces;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: %s TOKENIZER TEXT [RUNS]\n", argv[0]), 2;
  int const runs = argc > 3 ? std::atoi(argv[3]) : 3;
  double best_load = 1e9, best_encode = 1e9, best_decode = 1e9;
  std::string const text = verbatim::detail::read_text_file(argv[2]);
  auto const pieces = cut(text, argc > 4 ? std::size_t(std::atoll(argv[4])) : 10'000);
  std::vector<verbatim::token> ids;
  std::string back;
  for (int run = 0; run < runs; ++run) {
    std::optional<verbatim::bpe> tokenizer;
    best_load = std::min(best_load, seconds([&] { tokenizer = verbatim::bpe::load(argv[1]); }));
    ids.clear();
    best_encode = std::min(best_encode, seconds([&] { for (auto piece : pieces) tokenizer->encode(piece, ids); }));
    best_decode = std::min(best_decode, seconds([&] { back = tokenizer->decode(ids, false); }));
  }
  std::uint64_t digest = 14695981039346656037u;
  for (verbatim::token id : ids) digest = (digest ^ std::uint64_t(id)) * 1099511628211u;
  double const megabytes = double(text.size()) / 1e6;
  std::printf("{\"pieces\":%zu,\"load_ms\":%.1f,\"text_mb\":%.3f,\"encode_mb_s\":%.1f,\"decode_mb_s\":%.1f,\"tokens\":%zu,\"digest\":\"%016llx\",\"round_trip\":%s}\n",
              pieces.size(), best_load * 1e3, megabytes, megabytes / best_encode, megabytes / best_decode, ids.size(), static_cast<unsigned long long>(digest),
              back == text ? "true" : "false");
}
