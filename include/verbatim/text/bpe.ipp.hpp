// The bodies of bpe.hpp, and behind them the reading of tokenizer.json (core/separate.hpp says who includes this).
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/bpe.hpp"
#include "verbatim/text/bpe_parts.hpp"

namespace verbatim {

VERBATIM_BODY void bpe::stream::push(bpe const& t, token id, std::string& out) {
  auto const& p = *t.parts_;
  if (p.has(id, p.is_bytes) && !(skip_special_ && t.is_special(id))) return p.decode.push_bytes(state_, p.model.spelled()[id], out);
  auto const text = p.shown(id);
  if (!text || (skip_special_ && t.is_special(id))) return;
  p.decode.push(state_, *text, out);
}

VERBATIM_BODY void bpe::stream::finish(bpe const& t, std::string& out) { t.parts_->decode.finish(state_, out); }

VERBATIM_BODY bpe bpe::from_json(std::string_view text) { return bpe(detail::make_bpe_parts(text)); }

VERBATIM_BODY bpe bpe::load(std::filesystem::path path) {
  if (std::filesystem::is_directory(path)) path /= "tokenizer.json";
  return from_json(detail::read_text_file(path));
}

VERBATIM_BODY void bpe::encode_with_special(std::string_view text, std::vector<token>& ids) const {
  auto const& around = parts_->around;
  ids.insert(ids.end(), around.before().begin(), around.before().end());
  encode(text, ids);
  ids.insert(ids.end(), around.behind().begin(), around.behind().end());
}

VERBATIM_BODY std::string bpe::decode(std::span<token const> ids, bool skip_special) const {
  std::string out;
  stream s(skip_special);
  for (token const id : ids) s.push(*this, id, out);
  s.finish(*this, out);
  return out;
}

VERBATIM_BODY int bpe::vocabulary() const noexcept { return int(parts_->bound); }

VERBATIM_BODY std::string_view bpe::token_text(token id) const {
  if (auto const* const t = parts_->find_added(id); t != nullptr) return t->content;
  return parts_->model.words().has(id) ? parts_->model.words()[id] : std::string_view();
}

VERBATIM_BODY std::string bpe::token_bytes(token id) const {
  auto const text = parts_->shown(id);
  return text ? parts_->decode.bytes(*text) : std::string();
}

VERBATIM_BODY bool bpe::is_special(token id) const noexcept { return parts_->has(id, detail::bpe_parts::is_special); }

VERBATIM_BODY std::optional<token> bpe::find(std::string_view text) const {
  if (token const id = parts_->model.words().find(text); id >= 0) return id;
  for (auto const& t : parts_->added)
    if (t.content == text) return t.id;
  return std::nullopt;
}

VERBATIM_BODY void bpe::encode(std::string_view given, std::vector<token>& ids) const {
  auto const& p = *parts_;
  std::string repaired, storage;
  std::string_view const text = detail::utf8_repaired(given, repaired);
  auto const push = [&ids](detail::added_token const& t) { ids.push_back(t.id); };
  p.raw.each(text, [&](std::size_t begin, std::size_t end) {
    std::string_view const normal = p.normal.apply(text.substr(begin, end - begin), storage);
    p.normalized.each(normal, [&](std::size_t from, std::size_t to) {
      p.words.each(normal.substr(from, to - from), begin == 0 && from == 0,
                   [&](std::string_view word) { p.model.encode(word, p.words.bytes(), ids); });
    }, push);
  }, push);
}

}  // namespace verbatim
