// Encodings that the reference and other projects give, for every BPE tokenizer of the test data: ids, ids with special tokens,
// decoded text, and the same text streamed. Every file's counts are printed.
#include "catch.hpp"

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "verbatim/text/bpe.hpp"
#include "verbatim/text/tokenizer_json.hpp"

namespace {

using verbatim::bpe;
using verbatim::json;
using verbatim::token;
namespace fs = std::filesystem;

std::string content(fs::path const& path) {
  if (path.extension() != ".gz") return verbatim::detail::read_text_file(path);
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("gzip -dc '" + path.string() + "'").c_str(), "r"), pclose);
  std::string text;
  std::vector<char> block(1 << 16);
  for (std::size_t n; pipe && (n = fread(block.data(), 1, block.size(), pipe.get())) > 0;) text.append(block.data(), n);
  return text;
}

bpe load(std::string const& name) {
  auto const folder = testdata() / "tokenizers" / name;
  bool const packed = fs::exists(folder / "tokenizer.json.gz");
  return bpe::from_json(content(folder / (packed ? "tokenizer.json.gz" : "tokenizer.json")));
}

/// llama.cpp's qwen35 file has the words of Qwen 3.5, with marks in them, but the vocabulary of Qwen 2.
bpe with_marks(std::string const& name) {
  std::string text = content(testdata() / "tokenizers" / name / "tokenizer.json.gz");
  auto const replace = [&text](std::string_view what, std::string_view with) {
    auto const at = text.find(what);
    REQUIRE(at != text.npos);
    text.replace(at, what.size(), with);
  };
  replace(R"(]?\\p{L}+|)", R"(]?[\\p{L}\\p{M}]+|)");
  replace(R"([^\\s\\p{L}\\p{N}]+)", R"([^\\s\\p{L}\\p{M}\\p{N}]+)");
  replace("\"normalizer\":", "\"no normalizer\":");  // llama.cpp does not normalise
  return bpe::from_json(text);
}

/// What the tables of transformers.js were made with: clean_up_tokenization_spaces.
std::string cleaned(std::string text) {
  using pair = std::array<std::string_view, 2>;
  for (auto [what, with] : {pair{" .", "."}, pair{" ?", "?"}, pair{" !", "!"}, pair{" ,", ","}, pair{" ' ", "'"}, pair{" n't", "n't"}, pair{" 'm", "'m"},
                            pair{" 's", "'s"}, pair{" 've", "'ve"}, pair{" 're", "'re"}})
    for (std::size_t at; (at = text.find(what)) != text.npos;) text.replace(at, what.size(), with);
  return text;
}

struct counts {
  int cases = 0, ids = 0, special = 0, text = 0;
  void print(std::string const& file) const {
    std::printf("%-48s %4d cases, wrong: ids %d, with special %d, text %d\n", file.c_str(), cases, ids, special, text);
  }
  bool fine() const { return cases > 0 && ids + special + text == 0; }
};

std::string streamed(bpe const& t, std::vector<token> const& ids) {
  std::string out;
  bpe::stream s;
  for (token id : ids) s.push(t, id, out);
  s.finish(t, out);
  return out;
}

std::vector<json> lines(fs::path const& path) {
  std::vector<json> rows;
  std::string const text = content(path);
  for (std::size_t at = 0, end; at < text.size(); at = end + 1) {
    end = std::min(text.find('\n', at), text.size());
    if (end > at) rows.push_back(verbatim::parse_json(std::string_view(text).substr(at, end - at)));
  }
  return rows;
}

std::vector<token> numbers(json const& list) { return list.get<std::vector<token>>(); }

}  // namespace

TEST_CASE("bpe: the reference's encodings of every tokenizer, both ways") {
  auto const folder = testdata() / "encodings/hf-oracle";
  if (!fs::exists(folder)) return skip("no encodings in the test data");
  std::map<std::string, std::string> texts;
  for (auto const& t : verbatim::parse_json(content(folder / "texts.json"))) texts[t["name"]] = t["text"];
  int files = 0;
  for (auto const& entry : fs::directory_iterator(folder)) {
    std::string const name = entry.path().stem().string();
    if (entry.path().extension() != ".jsonl" || name.starts_with("sentencepiece") || !fs::exists(testdata() / "tokenizers" / name)) continue;
    ++files;
    bpe const t = load(name);
    counts n;
    for (json const& row : lines(entry.path())) {
      ++n.cases;
      auto const expected = numbers(row["ids"]);
      std::string const& text = texts.at(row["name"]);
      std::vector<token> ids, special;
      t.encode(text, ids);
      t.encode_with_special(text, special);
      n.ids += ids != expected;
      n.special += special != (row.contains("ids_with_special_tokens") ? numbers(row["ids_with_special_tokens"]) : expected);
      std::string const back = row.contains("decoded") ? row["decoded"].get<std::string>() : text;
      n.text += t.decode(expected, false) != back || streamed(t, expected) != back;
    }
    n.print("hf-oracle/" + name);
    CHECK(n.fine());
  }
  CHECK(files > 0);
}

TEST_CASE("bpe: encodings of llama.cpp's test files") {
  auto const folder = testdata() / "encodings/llama.cpp";
  if (!fs::exists(folder)) return skip("no encodings in the test data");
  using pair = std::array<char const*, 2>;
  for (auto [file, name] : {pair{"gpt-2", "gpt2"}, pair{"qwen2", "qwen2.5"}, pair{"qwen35", "qwen2.5"}, pair{"falcon", "falcon"}, pair{"phi-3", "phi-3-mini"},
                            pair{"roberta-bpe", "roberta-base"}}) {
    auto const path = folder / (std::string("ggml-vocab-") + file + ".gguf.inp");
    if (!fs::exists(path) || !fs::exists(testdata() / "tokenizers" / name)) continue;
    bpe const t = std::string_view(file) == "qwen35" ? with_marks(name) : load(name);
    std::string const in = content(path), out = content(fs::path(path).replace_extension(".out"));
    constexpr std::string_view separator = "\n__ggml_vocab_test__\n";
    counts n;
    for (std::size_t at = 0, line = 0; at < in.size();) {
      std::size_t const end = std::min(in.find(separator, at), in.size()), stop = std::min(out.find('\n', line), out.size());
      std::vector<token> expected, ids;
      char const* p = out.c_str() + line;
      for (char* next; p < out.c_str() + stop; p = next) {
        expected.push_back(token(std::strtol(p, &next, 10)));
        if (next == p) break;
        while (*next == ' ') ++next;
      }
      t.encode(std::string_view(in).substr(at, end - at), ids);
      ++n.cases;
      n.ids += ids != expected;
      at = end + separator.size();
      line = stop + 1;
    }
    n.print(std::string("llama.cpp/") + file);
    CHECK(n.fine());
  }
}

TEST_CASE("bpe: encodings of the tests of transformers.js") {
  auto const folder = testdata() / "encodings/transformers.js";
  if (!fs::exists(folder)) return skip("no encodings in the test data");
  using pair = std::array<char const*, 2>;
  for (auto [file, name] : {pair{"Xenova__gpt2", "gpt2"}, pair{"openai-community__gpt2", "gpt2"}, pair{"Xenova__Qwen1.5-0.5B-Chat", "qwen2.5"},
                            pair{"tiiuae__falcon-7b", "falcon"}, pair{"Xenova__gpt-4o", "gpt-oss"}}) {
    auto const path = folder / (std::string(file) + ".json");
    if (!fs::exists(path) || !fs::exists(testdata() / "tokenizers" / name)) continue;
    bpe const t = load(name);
    counts n;
    for (auto const& row : verbatim::parse_json(content(path))) {
      if (!row["text"].is_string()) continue;
      std::vector<token> ids;
      t.encode_with_special(row["text"].get<std::string>(), ids);
      ++n.cases;
      n.ids += ids != numbers(row["ids"]);
      std::string const back = row["decoded"], found = t.decode(ids, false);
      n.text += found != back && cleaned(found) != back;
    }
    n.print(std::string("transformers.js/") + file);
    CHECK(n.fine());
  }
}

TEST_CASE("bpe: the plans of gpt-tokenizer and one text of swift-transformers") {
  auto const plans = testdata() / "encodings/gpt-tokenizer/TestPlans.txt";
  auto const swift = testdata() / "encodings/swift-transformers/gpt2_encoded_tokens.json";
  if (!fs::exists(plans) || !fs::exists(swift)) return skip("no encodings in the test data");
  std::string const text = content(plans);
  std::map<std::string, bpe> tokenizers = {{"r50k_base", load("gpt2")}, {"o200k_base", load("gpt-oss")}, {"cl100k_base", load("olmo2-dolma2")}};
  std::map<std::string, counts> n;
  constexpr std::string_view name_mark = "EncodingName: ", sample_mark = "\nSample: ", encoded_mark = "\nEncoded: ";
  for (std::size_t at = 0; (at = text.find(name_mark, at)) != text.npos; ++at) {
    std::size_t const name_end = text.find(sample_mark, at), sample = name_end + sample_mark.size(), sample_end = text.find(encoded_mark, sample);
    std::string const name = text.substr(at + name_mark.size(), name_end - at - name_mark.size());
    auto const t = tokenizers.find(name);
    std::size_t const list = sample_end + encoded_mark.size();
    if (sample_end == text.npos) break;
    if (t == tokenizers.end()) continue;
    std::vector<token> ids;
    t->second.encode(std::string_view(text).substr(sample, sample_end - sample), ids);
    ++n[name].cases;
    n[name].ids += ids != numbers(verbatim::parse_json(std::string_view(text).substr(list, text.find(']', list) + 1 - list)));
  }
  for (auto const& [name, c] : n) {
    c.print("gpt-tokenizer/" + name);
    CHECK(c.fine());
  }
  json const row = verbatim::parse_json(content(swift));
  std::vector<token> ids;
  tokenizers.at("r50k_base").encode(row["text"].get<std::string>(), ids);
  for (char const* key : {"token_ids", "ids"})
    if (row.contains(key)) CHECK(ids == numbers(row[key]));
}
