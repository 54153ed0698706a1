// The post-processor of tokenizer.json for one sequence: which ids go before and behind it. TemplateProcessing,
// RobertaProcessing, BertProcessing, ByteLevel (which changes only offsets) and Sequence; others are refused by name.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "verbatim/core/token.hpp"
#include "verbatim/text/component.hpp"
#include "verbatim/text/vocabulary.hpp"

namespace verbatim::detail {

class post_processor {
 public:
  post_processor() = default;
  explicit post_processor(component const& c) { add(c); }

  std::vector<token> const& before() const noexcept { return before_; }
  std::vector<token> const& behind() const noexcept { return behind_; }

 private:
  void add(component const& c) {
    std::string const type = c.type();
    if (type == "Sequence") return c.at("processors").each([this](component const& inner) { add(inner); });
    if (type == "ByteLevel") return;
    if (type == "RobertaProcessing" || type == "BertProcessing") return pair(c);
    if (type == "TemplateProcessing") return wrapped(c);
    c.unsupported("post-processor \"" + type.substr(0, 40) + "\" is not supported");
  }
  static token id_of(component const& c) { return token(c.integer(0, vocabulary::most_ids - 1)); }

  /// Puts ids around what is there already.
  void wrap(std::vector<token> const& left, std::vector<token> const& right) {
    if (before_.size() + behind_.size() + left.size() + right.size() > 4096) throw error("tokenizer", 2, "post_processor: at most 4096 special tokens expected");
    before_.insert(before_.begin(), left.begin(), left.end());
    behind_.insert(behind_.end(), right.begin(), right.end());
  }
  void pair(component const& c) {
    auto const second = [](component const& p) {  // ["<s>", 0]
      token id = -1;
      int i = 0;
      p.each([&](component const& element) { if (i++ == 1) id = id_of(element); });
      if (i != 2) p.fail("[string, id] expected");
      return id;
    };
    wrap({second(c.at("cls"))}, {second(c.at("sep"))});
  }
  void wrapped(component const& c) {
    std::vector<token> left, right;
    int sequences = 0;
    c.at("single").each([&](component const& piece) {
      if (piece.find("Sequence") != nullptr) return void(++sequences);
      std::string const name = piece.at("SpecialToken").text("id");
      auto const tokens = c.at("special_tokens");
      tokens.at(name.c_str()).at("ids").each([&](component const& id) { (sequences == 0 ? left : right).push_back(id_of(id)); });
      if (left.size() + right.size() > 4096) c.fail("at most 4096 special tokens expected");
    });
    if (sequences != 1) c.fail("\"single\": the sequence once expected, found " + std::to_string(sequences) + " times");
    wrap(left, right);
  }

  std::vector<token> before_, behind_;
};

}  // namespace verbatim::detail
