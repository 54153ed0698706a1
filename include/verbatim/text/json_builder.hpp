// The builder that nlohmann's parser feeds: key order kept, bounds kept, linear in the text (see json.hpp).
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "verbatim/text/json_value.hpp"

namespace verbatim::detail {

class json_builder : public nlohmann::json_sax<json> {
 public:
  explicit json_builder(json_limits limits) : limits_(limits) {}
  json result;
  std::string failure;
  bool over = false;   ///< the failure is one of bounds, not of syntax

  bool null() override { return put(json(nullptr)); }
  bool boolean(bool v) override { return put(json(v)); }
  bool number_integer(number_integer_t v) override { return put(json(v)); }
  bool number_unsigned(number_unsigned_t v) override { return put(json(v)); }
  bool number_float(number_float_t v, string_t const&) override { return put(json(v)); }
  bool string(string_t& v) override { return put(json(std::move(v))); }
  bool binary(binary_t&) override { return fail("binary value"); }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& v) override {
    if (dropping_) return true;
    droppable_ = std::find(limits_.drop.begin(), limits_.drop.end(), v) != limits_.drop.end();
    key_ = std::move(v);
    return count();
  }
  bool parse_error(std::size_t position, std::string const&, nlohmann::detail::exception const& e) override {
    std::string_view what = e.what();
    if (auto at = what.find("; last read"); at != what.npos) what = what.substr(0, at);
    if (auto at = what.find("] "); at != what.npos) what = what.substr(at + 2);
    failure = "byte " + std::to_string(position) + ": " + std::string(what.substr(0, 200));
    return false;
  }

 private:
  struct frame {
    json value;
    std::string key;                                       // under which this frame goes into its parent
    std::unordered_map<std::string, std::size_t> places;   // of the keys of a large object
  };
  bool fail(char const* why) {
    failure = why;
    over = true;
    return false;
  }
  bool count() { return ++values_ <= limits_.values || fail("too many values"); }
  bool open(json v) {
    if (std::exchange(droppable_, false) && v.is_array()) dropping_ = true, key_.clear();
    if (dropping_) return ++dropped_depth_ <= limits_.depth || fail("nested too deeply");
    if (!count()) return false;
    if (int(stack_.size()) >= limits_.depth) return fail("nested too deeply");
    stack_.push_back({std::move(v), std::move(key_), {}});
    key_.clear();
    return true;
  }
  bool close() {
    if (dropping_) {
      if (--dropped_depth_ == 0) dropping_ = false;
      return true;
    }
    frame top = std::move(stack_.back());
    stack_.pop_back();
    key_ = std::move(top.key);
    return attach(std::move(top.value));
  }
  bool put(json v) {
    if (dropping_) return true;
    droppable_ = false;
    return count() && attach(std::move(v));
  }
  bool attach(json v) {
    if (stack_.empty()) {
      result = std::move(v);
      return true;
    }
    frame& top = stack_.back();
    if (top.value.is_array()) {
      top.value.get_ref<json::array_t&>().push_back(std::move(v));
      return true;
    }
    auto& object = top.value.get_ref<json::object_t&>();
    constexpr std::size_t few = 16;                         // below this a linear search beats a hash table
    std::size_t at = object.size();
    if (object.size() < few) {
      for (at = 0; at < object.size() && (object.begin() + std::ptrdiff_t(at))->first != key_;) ++at;
    } else {
      if (top.places.empty())
        for (std::size_t i = 0; i < object.size(); ++i) top.places.emplace((object.begin() + std::ptrdiff_t(i))->first, i);
      at = top.places.try_emplace(key_, at).first->second;
    }
    if (at < object.size())
      (object.begin() + std::ptrdiff_t(at))->second = std::move(v);
    else
      static_cast<json::object_t::Container&>(object).emplace_back(std::move(key_), std::move(v));
    key_.clear();
    return true;
  }

  json_limits limits_;
  std::size_t values_ = 0;
  bool dropping_ = false, droppable_ = false;   ///< inside of what is dropped; at a key whose array would be
  int dropped_depth_ = 0;
  std::string key_;
  std::vector<frame> stack_;
};

}  // namespace verbatim::detail
