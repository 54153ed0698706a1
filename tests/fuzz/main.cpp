// A driver for fuzz targets where libFuzzer is not at hand: replays every file of the given folders and files, then runs
// mutations of them for a bounded time. The sequence of mutations is fixed by --seed, so a crash can be met again.
//   fuzz_NAME [--seconds N] [--seed N] [--max-bytes N] CORPUS...
// With --save FILE each input is written to FILE before it runs, so FILE holds the one that crashed.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

using bytes = std::vector<std::uint8_t>;

bytes read(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void gather(std::filesystem::path const& path, std::vector<bytes>& into) {
  if (std::filesystem::is_directory(path)) {
    std::vector<std::filesystem::path> files;
    for (auto const& entry : std::filesystem::recursive_directory_iterator(path))
      if (entry.is_regular_file()) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (auto const& file : files) into.push_back(read(file));
  } else {
    into.push_back(read(path));
  }
}

class mutator {
 public:
  mutator(std::uint64_t seed, std::size_t max_bytes) : random_(seed), max_bytes_(max_bytes) {}

  bytes operator()(std::vector<bytes> const& corpus) {
    bytes input = corpus[below(corpus.size())];
    for (std::size_t n = 1 + below(4); n > 0; --n) once(input, corpus);
    if (input.size() > max_bytes_) input.resize(max_bytes_);
    return input;
  }

 private:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }
  void once(bytes& b, std::vector<bytes> const& corpus) {
    static constexpr char const* words[] = {"{", "}", "[", "]", "\"", "\\u", "null", "-1", "1e999", "{{", "{%", "%}", "\xff", "\xed\xa0\x80",
                                            "18446744073709551615", "9223372036854775808", "0", ",", ":", "\r\n"};
    std::size_t const at = below(b.size() + 1);
    switch (below(7)) {
      case 0: if (!b.empty()) b[below(b.size())] ^= std::uint8_t(1u << below(8)); break;
      case 1: if (!b.empty()) b[below(b.size())] = std::uint8_t(random_()); break;
      case 2: b.resize(at); break;
      case 3: b.erase(b.begin() + std::ptrdiff_t(at), b.begin() + std::ptrdiff_t(at + below(std::min<std::size_t>(b.size() - at, 32) + 1))); break;
      case 4: {
        char const* word = words[below(std::size(words))];
        b.insert(b.begin() + std::ptrdiff_t(at), word, word + std::strlen(word));
        break;
      }
      case 5: {  // a piece of another input, or of this one
        bytes const other = corpus[below(corpus.size())];
        std::size_t const from = below(other.size() + 1), count = below(std::min<std::size_t>(other.size() - from, 256) + 1);
        b.insert(b.begin() + std::ptrdiff_t(at), other.begin() + std::ptrdiff_t(from), other.begin() + std::ptrdiff_t(from + count));
        break;
      }
      default: {  // repetition: what nests or grows
        std::size_t const count = below(std::min<std::size_t>(b.size() - at, 8) + 1);
        bytes const piece(b.begin() + std::ptrdiff_t(at), b.begin() + std::ptrdiff_t(at + count));
        for (std::size_t times = below(200); times > 0 && b.size() < max_bytes_; --times)
          b.insert(b.begin() + std::ptrdiff_t(at), piece.begin(), piece.end());
      }
    }
  }
  std::mt19937_64 random_;
  std::size_t max_bytes_;
};

void call(bytes const& input, std::string const& save) {
  if (!save.empty()) {
    std::ofstream out(save, std::ios::binary);
    out.write(reinterpret_cast<char const*>(input.data()), std::streamsize(input.size()));
  }
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 0;
  std::uint64_t seed = 1;
  std::size_t max_bytes = 65536;
  std::string save;
  std::vector<bytes> corpus;
  for (int i = 1; i < argc; ++i) {
    std::string const argument = argv[i];
    bool const has_value = i + 1 < argc;
    if (argument == "--seconds" && has_value) seconds = std::atof(argv[++i]);
    else if (argument == "--seed" && has_value) seed = std::strtoull(argv[++i], nullptr, 10);
    else if (argument == "--max-bytes" && has_value) max_bytes = std::strtoull(argv[++i], nullptr, 10);
    else if (argument == "--save" && has_value) save = argv[++i];
    else if (!std::filesystem::exists(argument)) { std::fprintf(stderr, "%s: no such file or folder\n", argv[i]); return 2; }
    else gather(argument, corpus);
  }
  std::size_t const replayed = corpus.size();
  for (auto const& input : corpus) call(input, save);
  if (corpus.empty()) corpus.emplace_back();
  mutator mutate(seed, max_bytes);
  std::uint64_t runs = 0;
  auto const end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (; std::chrono::steady_clock::now() < end; ++runs) call(mutate(corpus), save);
  std::printf("%zu inputs replayed, %llu mutations run\n", replayed, static_cast<unsigned long long>(runs));
}
