// The bodies of safetensors.hpp (core/separate.hpp says who includes this).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/text/json.hpp"
#include "verbatim/weights/safetensors.hpp"

namespace verbatim::weights {

namespace detail {

/// Bits of one element, 0 for a dtype that is not known.
inline int bits_of(std::string_view type) noexcept {
  static constexpr std::pair<std::string_view, int> known[] = {
      {"F32", 32}, {"BF16", 16}, {"F16", 16}, {"F64", 64}, {"I64", 64}, {"U64", 64}, {"C64", 64}, {"I32", 32},
      {"U32", 32}, {"I16", 16}, {"U16", 16}, {"I8", 8}, {"U8", 8}, {"BOOL", 8}, {"F8_E4M3", 8}, {"F8_E5M2", 8},
      {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}};
  for (auto const& [name, bits] : known)
    if (name == type) return bits;
  return 0;
}

VERBATIM_BODY std::string shown(std::string_view name) {
  std::string out(name.substr(0, 120));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return name.size() > 120 ? out + "…" : out;
}

VERBATIM_BODY std::string shown(std::vector<std::int64_t> const& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size() && i < 8; ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + (shape.size() > 8 ? ", …]" : "]");
}

/// In valid JSON, the number of keys: colons outside strings.
inline std::size_t keys_in(std::string_view text) noexcept {
  std::size_t keys = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') ++i;
    else if (text[i] == '"') quoted = !quoted;
    else if (text[i] == ':' && !quoted) ++keys;
  }
  return keys;
}

/// Parses and checks one header; `file` is for messages.
class safetensors_parser {
 public:
  safetensors_parser(std::span<std::byte const> bytes, std::string_view file, safetensors_limits const& limits)
      : bytes_(bytes), file_(file), limits_(limits) {}

  std::vector<stored_tensor> tensors;                             // by ascending offset
  std::vector<std::pair<std::string, std::string>> metadata;

  void parse() {
    std::string_view const text = header();
    json top;
    try {
      top = parse_json(text, limits_.json);
    } catch (error const& e) {
      malformed("the header is " + std::string(e.message()));
    }
    if (!top.is_object()) malformed("the header is not a JSON object");
    std::size_t keys = top.size();
    tensors.reserve(top.size());
    for (auto const& [name, value] : top.items()) {
      if (!value.is_object()) malformed(quoted(name) + ": an object expected, " + value.type_name() + " found");
      keys += value.size();
      if (name == "__metadata__") read_metadata(value);
      else read_tensor(name, value);
    }
    if (keys != keys_in(text)) malformed("the header has a key twice");
    check_layout();
  }

 private:
  [[noreturn]] void truncated(std::string const& what) const { throw error("checkpoint", 2, std::string(file_) + ": " + what); }
  [[noreturn]] void malformed(std::string const& what) const { throw error("checkpoint", 4, std::string(file_) + ": " + what); }
  [[noreturn]] void inconsistent(std::string const& what) const { throw error("checkpoint", 5, std::string(file_) + ": " + what); }
  static std::string quoted(std::string_view name) { return "tensor \"" + shown(name) + "\""; }

  std::string_view header() {
    if (bytes_.size() < 8) truncated("at least 8 bytes expected, " + std::to_string(bytes_.size()) + " found: truncated?");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), 8);
    if (length > limits_.header)
      malformed("a header of at most " + std::to_string(limits_.header) + " bytes expected, " + std::to_string(length) +
                  " announced: is this a safetensors file?");
    if (length > bytes_.size() - 8)
      truncated("a header of " + std::to_string(length) + " bytes announced, " + std::to_string(bytes_.size() - 8) +
                  " bytes follow: truncated?");
    start_ = 8 + length;
    return {reinterpret_cast<char const*>(bytes_.data()) + 8, std::size_t(length)};
  }

  void read_metadata(json const& value) {
    for (auto const& [key, text] : value.items()) {
      if (!text.is_string()) malformed("__metadata__: \"" + shown(key) + "\" is not a string");
      metadata.emplace_back(key, text.get_ref<std::string const&>());
    }
  }

  std::uint64_t number(json const& value, std::string_view name, char const* field) const {
    if (!value.is_number_unsigned()) malformed(quoted(name) + ": " + field + " must hold non-negative integers");
    return value.get<std::uint64_t>();
  }

  void read_tensor(std::string const& name, json const& value) {
    auto const type = value.find("dtype"), shape = value.find("shape"), offsets = value.find("data_offsets");
    if (value.size() != 3 || type == value.end() || shape == value.end() || offsets == value.end())
      malformed(quoted(name) + ": dtype, shape and data_offsets expected");
    if (!type->is_string() || !shape->is_array() || !offsets->is_array() || offsets->size() != 2)
      malformed(quoted(name) + ": dtype must be a string, shape an array, data_offsets two integers");
    stored_tensor t{name, type->get<std::string>(), {}, 0, 0};
    for (auto const& d : *shape) {
      std::uint64_t const size = number(d, name, "shape");
      if (size > std::uint64_t(std::numeric_limits<std::int64_t>::max())) inconsistent(quoted(name) + ": shape overflows");
      t.shape.push_back(std::int64_t(size));
    }
    std::uint64_t const begin = number((*offsets)[0], name, "data_offsets"), end = number((*offsets)[1], name, "data_offsets");
    check_extent(t, begin, end);
    t.begin = start_ + begin;
    t.end = start_ + end;
    tensors.push_back(std::move(t));
  }

  void check_extent(stored_tensor const& t, std::uint64_t begin, std::uint64_t end) const {
    std::uint64_t const room = bytes_.size() - start_;
    if (begin > end)
      inconsistent(quoted(t.name) + ": data_offsets [" + std::to_string(begin) + ", " + std::to_string(end) + "] are reversed");
    if (end > room)
      truncated(quoted(t.name) + ": data up to byte " + std::to_string(end) + " expected, " + std::to_string(room) +
                  " bytes of data found: truncated?");
    std::uint64_t elements = 1;
    bool const empty = std::find(t.shape.begin(), t.shape.end(), 0) != t.shape.end();
    for (std::int64_t d : t.shape)
      if (__builtin_mul_overflow(elements, empty ? 0u : std::uint64_t(d), &elements))
        inconsistent(quoted(t.name) + ": shape " + shown(t.shape) + " overflows");
    std::uint64_t bits = 0;
    int const width = bits_of(t.type);
    if (width == 0) return;                                       // unknown: listed, never read
    if (__builtin_mul_overflow(elements, std::uint64_t(width), &bits) || bits % 8 != 0)
      inconsistent(quoted(t.name) + ": shape " + shown(t.shape) + " of " + t.type + " is no whole number of bytes in range");
    if (bits / 8 != end - begin)
      inconsistent(quoted(t.name) + ": " + t.type + " " + shown(t.shape) + " takes " + std::to_string(bits / 8) +
                  " bytes, data_offsets give " + std::to_string(end - begin));
  }

  void check_layout() {
    std::sort(tensors.begin(), tensors.end(), [](auto const& a, auto const& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t at = start_;
    for (auto const& t : tensors) {
      if (t.begin < at) inconsistent(quoted(t.name) + " overlaps the tensor before it");
      if (t.begin > at) inconsistent(quoted(t.name) + ": " + std::to_string(t.begin - at) + " bytes before it belong to no tensor");
      at = t.end;
    }
    if (at != bytes_.size())
      inconsistent(std::to_string(at - start_) + " bytes of data expected, " + std::to_string(bytes_.size() - start_) + " found");
  }

  std::span<std::byte const> bytes_;
  std::string_view file_;
  safetensors_limits limits_;
  std::uint64_t start_ = 0;
};

}  // namespace detail

VERBATIM_BODY safetensors::safetensors(std::span<std::byte const> bytes, std::string file, safetensors_limits const& limits)
    : bytes_(bytes), file_(std::move(file)) {
  detail::safetensors_parser parser(bytes, file_, limits);
  parser.parse();
  tensors_ = std::move(parser.tensors);
  metadata_ = std::move(parser.metadata);
  places_.reserve(tensors_.size());
  for (std::size_t i = 0; i < tensors_.size(); ++i) places_.emplace(tensors_[i].name, i);
  for (std::size_t i = 0; i < tensors_.size(); ++i) align(i);
}

VERBATIM_BODY stored_tensor const* safetensors::find(std::string_view name) const noexcept {
  auto const at = places_.find(name);
  return at == places_.end() ? nullptr : &tensors_[at->second];
}

VERBATIM_BODY bool safetensors::readable(stored_tensor const& t) noexcept { return type_of(t.type) >= 0 && t.shape.size() <= 4; }

VERBATIM_BODY tensor safetensors::access(std::string_view name) const {
  stored_tensor const* t = find(name);
  if (!t) throw error("checkpoint", 7, file_ + ": tensor \"" + detail::shown(name) + "\" is missing");
  return access(*t);
}

VERBATIM_BODY tensor safetensors::access(stored_tensor const& t) const {
  if (!readable(t))
    throw error("checkpoint", 6, file_ + ": tensor \"" + detail::shown(t.name) + "\": F32, BF16 or F16 of at most 4 " +
                                     "dimensions expected, " + detail::shown(t.type) + " " + detail::shown(t.shape) + " found");
  tensor out{t.name, dtype(type_of(t.type)), {}, bytes_.data() + t.begin};
  out.shape.rank = int(t.shape.size());
  std::copy(t.shape.begin(), t.shape.end(), out.shape.size.begin());
  auto const copy = copies_.find(std::size_t(&t - tensors_.data()));
  if (copy != copies_.end()) out.data = copy->second.get();
  return out;
}

VERBATIM_BODY int safetensors::type_of(std::string_view type) noexcept {
  for (auto t : {dtype::f32, dtype::bf16, dtype::f16})
    if (name_of(t) == type) return int(t);
  return -1;
}

VERBATIM_BODY void safetensors::align(std::size_t i) {
  stored_tensor const& t = tensors_[i];
  if (!readable(t)) return;
  std::size_t const size = size_of(dtype(type_of(t.type)));
  if (reinterpret_cast<std::uintptr_t>(bytes_.data() + t.begin) % size == 0) return;
  auto copy = std::make_unique<std::byte[]>(std::max<std::size_t>(t.end - t.begin, size));
  std::memcpy(copy.get(), bytes_.data() + t.begin, t.end - t.begin);
  copies_.emplace(i, std::move(copy));
}

}  // namespace verbatim::weights
