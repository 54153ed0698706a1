// Reads tokenizer.json in one pass: the vocabulary and the merges, which are nearly all of it, go straight into flat tables;
// the rest becomes a small JSON value. Everything is checked; what is wrong is a numbered error that says what was expected
// and what was found. Linear in the size of the file, about 100 MB/s.
#pragma once
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/text/bpe_model.hpp"
#include "verbatim/text/json.hpp"
#include "verbatim/text/json_builder.hpp"

namespace verbatim::detail {

/// The file's content: `rest` is everything but model.vocab and model.merges.
struct tokenizer_file {
  json rest;
  vocabulary words;
  std::string merge_block;
  std::vector<merge_text> merges;
  bool has_vocab = false, has_merges = false;
};

class tokenizer_reader : public nlohmann::json_sax<json> {
 public:
  tokenizer_file file;

  bool null() override { return ordinary() ? check(rest_.null()) : wrong("null"); }
  bool boolean(bool v) override { return ordinary() ? check(rest_.boolean(v)) : wrong("a boolean"); }
  bool number_integer(number_integer_t v) override { return ordinary() ? check(rest_.number_integer(v)) : where_ == place::vocab ? id(v) : wrong("a number"); }
  bool number_unsigned(number_unsigned_t v) override {
    if (ordinary()) return check(rest_.number_unsigned(v));
    return where_ == place::vocab ? id(v > number_unsigned_t(1) << 40 ? std::int64_t(1) << 40 : std::int64_t(v)) : wrong("a number");
  }
  bool number_float(number_float_t v, string_t const& s) override { return ordinary() ? check(rest_.number_float(v, s)) : wrong("a number with a fraction"); }
  bool binary(binary_t&) override { return wrong("a binary value"); }
  bool string(string_t& v) override {
    if (where_ == place::merges) return merge_line(v);
    if (where_ == place::pair) return merge_part(v);
    return ordinary() ? check(rest_.string(v)) : wrong("a string");
  }
  bool key(string_t& v) override {
    if (where_ == place::vocab) {
      key_ = std::move(v);
      return true;
    }
    if (depth_ == 1) in_model_ = v == "model";
    if (depth_ == 2 && in_model_) entering_ = v == "vocab" ? place::vocab : v == "merges" ? place::merges : place::rest;
    else entering_ = place::rest;
    return check(rest_.key(v));
  }
  bool start_object(std::size_t n) override {
    if (!ordinary()) return wrong("an object");
    if (entering_ == place::vocab) {
      file.words = vocabulary();
      file.has_vocab = true;
      where_ = place::vocab;
      entering_ = place::rest;
      return check(rest_.start_object(n));
    }
    entering_ = place::rest;
    ++depth_;
    return check(rest_.start_object(n));
  }
  bool start_array(std::size_t n) override {
    if (where_ == place::merges) {
      where_ = place::pair;
      parts_ = 0;
      return true;
    }
    if (!ordinary()) return wrong("an array");
    if (entering_ == place::merges) {
      file.merges.clear();
      file.merge_block.clear();
      file.has_merges = true;
      where_ = place::merges;
      entering_ = place::rest;
      return check(rest_.start_array(n));
    }
    entering_ = place::rest;
    ++depth_;
    return check(rest_.start_array(n));
  }
  bool end_object() override {
    if (where_ == place::vocab) where_ = place::rest;
    else --depth_;
    return check(rest_.end_object());
  }
  bool end_array() override {
    if (where_ == place::pair) {
      if (parts_ != 2) return merge_failure("two strings expected, found " + std::to_string(parts_));
      where_ = place::merges;
      return true;
    }
    if (where_ == place::merges) where_ = place::rest;
    else --depth_;
    return check(rest_.end_array());
  }
  bool parse_error(std::size_t position, std::string const& token, nlohmann::detail::exception const& e) override {
    rest_.parse_error(position, token, e);
    throw error("tokenizer", 2, "not valid JSON: " + rest_.failure);
  }
  /// The value read, once the whole text is.
  json take() { return std::move(rest_.result); }

 private:
  enum class place { rest, vocab, merges, pair };

  bool ordinary() const { return where_ == place::rest; }
  bool check(bool fine) {
    if (!fine) throw error("tokenizer", 2, "not valid JSON: " + rest_.failure);
    return true;
  }
  [[noreturn]] bool wrong(char const* found) {
    if (where_ == place::vocab) throw error("tokenizer", 4, "model.vocab[\"" + key_.substr(0, 60) + "\"]: an id expected, " + found + " found");
    merge_failure(std::string("\"left right\" or [left, right] expected, ") + found + " found");
  }
  [[noreturn]] bool merge_failure(std::string const& what) {
    throw error("tokenizer", 5, "model.merges[" + std::to_string(file.merges.size()) + "]: " + what);
  }
  bool id(std::int64_t v) {
    if (v < 0 || v >= vocabulary::most_ids)
      throw error("tokenizer", 4, "model.vocab[\"" + key_.substr(0, 60) + "\"]: an id from 0 to " + std::to_string(vocabulary::most_ids - 1) + " expected, " +
                                      (v >= std::int64_t(1) << 40 ? std::string("a larger number") : std::to_string(v)) + " found");
    check_size(file.words.bytes() + key_.size());
    if (!file.words.add(key_, token(v)))
      throw error("tokenizer", 4, "model.vocab[\"" + key_.substr(0, 60) + "\"]: an id of its own expected, " + std::to_string(v) + " found, which is also \"" +
                                      std::string(file.words[token(v)].substr(0, 60)) + "\"");
    return true;
  }
  void check_size(std::size_t bytes) const {
    if (bytes >= std::size_t(1) << 31 || file.merges.size() >= std::size_t(1) << 26)
      throw error("tokenizer", 2, "model: less than 2 GiB of strings and 67 million merges expected");
  }
  bool merge_line(std::string const& v) {
    if (v.starts_with("#version")) return true;
    std::size_t const space = v.find(' ');
    if (space == v.npos || v.find(' ', space + 1) != v.npos) merge_failure("two symbols with one space between them expected, \"" + v.substr(0, 60) + "\" found");
    check_size(file.merge_block.size() + v.size());
    auto const begin = std::uint32_t(file.merge_block.size());
    file.merge_block.append(v, 0, space).append(v, space + 1);
    file.merges.push_back({begin, std::uint32_t(space), std::uint32_t(v.size() - 1)});
    return true;
  }
  bool merge_part(std::string const& v) {
    check_size(file.merge_block.size() + v.size());
    if (++parts_ == 1) left_ = {std::uint32_t(file.merge_block.size()), std::uint32_t(v.size()), 0};
    file.merge_block += v;
    if (parts_ == 2) file.merges.push_back({left_.begin, left_.left, std::uint32_t(file.merge_block.size()) - left_.begin});
    if (parts_ > 2) merge_failure("two strings expected, more found");
    return true;
  }

  json_builder rest_{json_limits{.depth = 64, .values = 4'000'000}};
  place where_ = place::rest, entering_ = place::rest;
  int depth_ = 0, parts_ = 0;
  bool in_model_ = false;
  std::string key_;
  merge_text left_{};
};

inline tokenizer_file read_tokenizer_json(std::string_view text) {
  tokenizer_reader reader;
  json::sax_parse(text.begin(), text.end(), &reader);
  tokenizer_file file = std::move(reader.file);
  file.rest = reader.take();
  file.words.index();
  return file;
}

/// The bytes of a file. Throws error("tokenizer", 1).
inline std::string read_text_file(std::filesystem::path const& path) {
  std::error_code failed;
  auto const size = std::filesystem::file_size(path, failed);
  if (failed) throw error("tokenizer", 1, path.string() + ": " + failed.message());
  if (size > std::uintmax_t(1) << 30) throw error("tokenizer", 1, path.string() + ": at most 1 GiB expected, " + std::to_string(size) + " bytes found");
  std::string text(std::size_t(size), '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.read(text.data(), std::streamsize(size))) throw error("tokenizer", 1, path.string() + ": cannot be read");
  return text;
}

}  // namespace verbatim::detail
