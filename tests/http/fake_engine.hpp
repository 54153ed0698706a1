// A scripted engine behind the real front: it pops the inbox and emits events as an engine would, one token per sequence
// and step, with a byte-level tokenizer. What it says is a function of (prompt, seed, position) alone.
// A prompt with "[slow]" takes 5 ms per token, with "[stall]" never starts, with "[fail]" fails after three tokens,
// with "[say:TEXT]" says TEXT and ends, one byte per token; with "[emit:TEXT]" likewise, but the tokenizer's special tokens
// in TEXT are one token each. Square brackets inside TEXT are balanced.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "verbatim/engine/inbox.hpp"
#include "verbatim/engine/stop_text.hpp"
#include "verbatim/weights/staged.hpp"
#include "verbatim/protocol/wire.hpp"
#include "verbatim/text/json.hpp"

namespace fake {

using namespace verbatim;

inline constexpr token begin_turn = 256, end_turn = 257, bos = 258, vocabulary = 263;

/// One token per byte, and special tokens; the markers of reasoning and of tool calls are among them.
struct text {
  static std::string_view special(token id) {
    constexpr std::string_view names[] = {"<|im_start|>", "<|im_end|>", "<s>", "<think>", "</think>", "<tool_call>", "</tool_call>"};
    return id >= begin_turn && id < fake::vocabulary ? names[id - begin_turn] : std::string_view();
  }
  void encode(std::string_view s, std::vector<token>& ids) const {
    while (!s.empty()) {
      token found = -1;
      for (token id = begin_turn; id < fake::vocabulary; ++id)
        if (s.substr(0, special(id).size()) == special(id)) found = id;
      ids.push_back(found < 0 ? token(static_cast<unsigned char>(s[0])) : found);
      s.remove_prefix(found < 0 ? 1 : special(found).size());
    }
  }
  void encode_with_special(std::string_view s, std::vector<token>& ids) const {
    ids.push_back(bos);
    encode(s, ids);
  }
  std::string token_bytes(token id) const { return id < 256 ? std::string(1, char(id)) : std::string(special(id)); }
  std::string token_text(token id) const { return token_bytes(id); }
  std::string decode(std::span<token const> ids, bool skip_special) const {
    std::string out;
    for (token id : ids)
      if (id < 256 || !skip_special) out += token_bytes(id);
    return out;
  }
  int vocabulary() const { return fake::vocabulary; }
  bool is_special(token id) const { return id >= 256; }
  bool is_stop(token id) const { return id == end_turn; }
};

struct render_options {
  bool add_generation_prompt = true, continue_final_message = false;
  std::optional<std::tm> now{};
};

/// ChatML, with tools and keyword arguments shown as JSON; the argument "open" (a string) ends the prompt.
struct chat_template {
  bool mentions(std::string_view) const { return true; }
  std::string render(json const& messages, json const& tools, json const& kwargs, render_options o) const {
    std::string out;
    if (kwargs.contains("fail")) throw error("template", 1, "asked to fail");
    if (!tools.is_null()) out += "<|im_start|>tools " + dump_json(tools) + "<|im_end|>\n";
    if (!kwargs.empty()) out += "<|im_start|>kwargs " + dump_json(kwargs) + "<|im_end|>\n";
    for (auto const& m : messages)
      out += "<|im_start|>" + m["role"].get<std::string>() + "\n" + m["content"].get<std::string>() + "<|im_end|>\n";
    if (o.continue_final_message) out.erase(out.size() - 11);
    if (o.add_generation_prompt) out += "<|im_start|>assistant\n";
    if (auto open = kwargs.find("open"); o.add_generation_prompt && open != kwargs.end() && open->is_string()) out += open->get<std::string>();
    return out;
  }
};

/// Lets only whole code points through.
struct assembler {
  std::string held;
  void push(std::string_view bytes, std::string& out) {
    held += bytes;
    std::size_t n;
    while ((n = wire::utf8_length(held)) > 0) out.append(held, 0, n), held.erase(0, n);
    if (held.size() >= 4) out += "\xef\xbf\xbd", held.erase(0, 1);
  }
};

struct sequence_state {
  std::shared_ptr<job> from;
  int index = 0;
  std::vector<token> script;
  bool slow = false, stall = false, fail = false, started = false, done = false;
  std::vector<token> out;
  assembler bytes{};
  std::unique_ptr<stop_text> stops;
};

class engine {
 public:
  struct defaults_type {
    std::optional<bool> do_sample;
    std::optional<float> temperature, top_p, min_p, repetition_penalty;
    std::optional<int> top_k;
  };
  struct config_type { int vocabulary = fake::vocabulary; };

  explicit engine(std::size_t capacity = 4096, int room = 1 << 20) : jobs_(capacity), room_(room) {}
  inbox& jobs() { return jobs_; }
  fake::text const& text() const { return text_; }
  chat_template const* chat() const { return &chat_; }
  config_type const& config() const { return config_; }
  defaults_type const& defaults() const { return defaults_; }
  int context() const { return 4096; }
  std::string const& name() const { return name_; }
  static std::uint64_t contract() { return 0x0123456789abcdefull; }
  std::vector<token> const& turn_ends() const { return turn_ends_; }

  bool poll() {
    if (hung_.load()) return false;
    for (job j; jobs_.pop(j);) take(std::move(j));
    for (command c; jobs_.pop(c);) {
      outcome out;
      std::visit([&](auto& o) { carry_out(o, out); }, c.what);
      out.version = jobs_.versions().label();
      jobs_.publish(stats_);
      if (c.done && !hold_) c.done(out);
      else if (c.done) held_.push_back({std::move(c.done), out});
    }
    if (!hold_)
      for (auto& [done, out] : std::exchange(held_, {})) done(out);
    for (auto& s : live_)
      if (s->from->state->cancelled.load()) finish(*s, finish_reason::cancelled);
    std::erase_if(live_, [](auto const& s) { return s->done; });
    if (jobs_.paused()) {
      stats_.paused = true;
      jobs_.publish(stats_);
      return false;
    }
    stats_.paused = false;
    auto const running = std::min(live_.size(), std::size_t(room_));
    bool moved = false, slow = false;
    for (std::size_t i = 0; i < live_.size(); ++i) {
      sequence_state& s = *live_[i];
      if (s.from->state->cancelled.load()) finish(s, finish_reason::cancelled);
      else if (i < running && !s.stall) slow = slow || s.slow, step(s), moved = true;
    }
    std::erase_if(live_, [](auto const& s) { return s->done; });
    stats_.running = int(std::min(live_.size(), std::size_t(room_)));
    stats_.waiting = int(live_.size()) - stats_.running;
    ++stats_.steps;
    jobs_.publish(stats_);
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    else if (!moved && !live_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return !live_.empty();
  }

  /// Outcomes of orders wait until this is taken back: another order meets one that is under way.
  void hold_orders(bool now) { hold_.store(now); }
  void hang(bool now) { hung_.store(now); }   ///< as an engine whose device does not answer

 private:
  /// Weights are refused unless there is a tensor "good"; they are the values of "good".
  void carry_out(orders::refit& o, outcome& out) {
    auto const tensors = o.from->tensors();
    auto const good = std::find_if(tensors.begin(), tensors.end(), [](tensor const& t) { return t.name == "good"; });
    if (good == tensors.end()) return void(out.error = "[verbatim.checkpoint.51] good: not found");
    weights_.assign(static_cast<float const*>(good->data), static_cast<float const*>(good->data) + good->shape.elements());
    out.affected = int(jobs_.unfinished());
    if (o.options.abort_running) end_all();
    number_ = jobs_.versions().add(o.options.version);
    last_kv_ = o.options.kv;
    ++stats_.refits;
  }
  void carry_out(orders::relabel& o, outcome&) { number_ = jobs_.versions().add(o.version); }
  void carry_out(orders::flush&, outcome&) {}
  void carry_out(orders::pause& o, outcome& out) {
    out.affected = int(jobs_.unfinished());
    if (o.mode == pause_mode::abort) end_all();
    jobs_.paused(true);
  }
  void carry_out(orders::resume&, outcome&) { jobs_.paused(false); }
  void carry_out(orders::abort&, outcome& out) {
    out.affected = int(jobs_.unfinished());
    end_all();
  }
  void carry_out(orders::checksum& o, outcome& out) {
    if (!o.name.empty() && o.name != "good") out.error = "[verbatim.engine.32] no such weight";
    else out.checksums = {{"good", std::string(64, 'a')}};
  }
  void carry_out(orders::values& o, outcome& out) {
    if (o.name != "good") out.error = "[verbatim.engine.32] no such weight";
    else out.values.assign(weights_.begin(), weights_.begin() + std::ptrdiff_t(std::min(o.count, weights_.size())));
  }
  void end_all() {
    for (auto& s : live_) finish(*s, finish_reason::cancelled);
  }

  void take(job j) {
    auto from = std::make_shared<job>(std::move(j));
    std::string const prompt = text_.decode(from->ask.prompt, false);
    stats_.prompt_tokens += from->ask.prompt.size();
    auto const left = std::make_shared<int>(from->ask.count);
    for (int k = 0; k < from->ask.count; ++k) {
      auto s = std::make_unique<sequence_state>();
      s->from = from;
      s->index = k;
      s->slow = prompt.find("[slow]") != prompt.npos;
      s->stall = prompt.find("[stall]") != prompt.npos;
      s->fail = prompt.find("[fail]") != prompt.npos;
      if (auto at = prompt.find("[say:"); at != prompt.npos) s->script = spelled(bracketed(prompt, at + 5));
      else if (at = prompt.find("[emit:"); at != prompt.npos) text_.encode(bracketed(prompt, at + 6), s->script);
      else s->script = spelled(babble(from->ask, k));
      s->stops = std::make_unique<stop_text>(from->ask.stop, from->ask.include_stop_text);
      live_.push_back(std::move(s));
    }
    open_.push_back({from, from->ask.count});
  }
  static std::vector<token> spelled(std::string_view text) {
    std::vector<token> out;
    for (char c : text) out.push_back(static_cast<unsigned char>(c));
    return out;
  }
  static std::string_view bracketed(std::string_view text, std::size_t from) {
    std::size_t end = from;
    for (int depth = 0; end < text.size() && !(text[end] == ']' && depth-- == 0); ++end) depth += text[end] == '[';
    return text.substr(from, end - from);
  }
  static std::string babble(request const& ask, int k) {
    std::uint64_t h = (ask.sampling.temperature > 0 ? ask.sampling.seed + std::uint64_t(k) * 977 : 0) + 88172645463325252ull;
    for (token t : ask.prompt) h = (h ^ std::uint64_t(t)) * 1099511628211ull;
    constexpr std::string_view words[] = {"the ", "sum ", "of ", "two ", "is ", "größer ", "als ", "数字 ", "🙂 ", "four.\n", "hello ", "world "};
    std::string out;
    for (int i = 0; i < 40; ++i) h ^= h << 13, h ^= h >> 7, h ^= h << 17, out += words[h % 12];
    return out;
  }
  static float logprob_of(token id, std::size_t position) { return -0.01f * float(id % 97) - 0.001f * float(position % 11) - 0.0001f; }
  static std::vector<score> tops(token id, std::size_t position, int n) {
    std::vector<score> out;
    for (int i = 0; i < n; ++i) out.push_back({logprob_of(id, position) - float(i), token((id + i) % 256)});
    return out;
  }
  void start(sequence_state& s) {
    s.started = true;
    request const& ask = s.from->ask;
    std::vector<scored_token> prompt;
    std::deque<std::vector<score>> kept;
    for (std::size_t i = 0; ask.prompt_logprobs >= 0 && i < ask.prompt.size(); ++i) {
      kept.push_back(i ? tops(ask.prompt[i], i, ask.prompt_logprobs) : std::vector<score>());
      prompt.push_back({{ask.prompt[i], i ? logprob_of(ask.prompt[i], i) : 0, 1}, kept.back()});
    }
    event e;
    e.what = event::kind::started, e.index = s.index, e.prompt = prompt, e.prompt_tokens = int(ask.prompt.size());
    s.from->sink(e);
  }
  void step(sequence_state& s) {
    if (!s.started) return start(s);
    request const& ask = s.from->ask;
    if (s.fail && s.out.size() == 3) return finish(s, finish_reason::error, -1, "", "[verbatim.engine.99] scripted failure");
    if (int(s.out.size()) >= ask.max_tokens) return finish(s, finish_reason::length);
    std::size_t const at = s.out.size();
    bool const over = s.script.empty() || (at >= s.script.size() && !ask.ignore_eos && int(at) >= ask.sampling.min_tokens);
    bool const given = at < ask.forced.size();
    token const id = given ? ask.forced[at] : over ? end_turn : s.script[at % s.script.size()];
    bool const stop = given ? at + 1 == ask.forced.size() && !ask.ignore_eos && id == end_turn
                            : over || (int(at) >= ask.sampling.min_tokens &&
                                       std::find(ask.stop_token_ids.begin(), ask.stop_token_ids.end(), id) != ask.stop_token_ids.end());
    s.out.push_back(id);
    std::string piece, shown;
    if (id < 256 ? !stop : !ask.skip_special_tokens) s.bytes.push(text_.token_bytes(id), piece);
    std::string const* const matched = s.stops->push(piece, shown);
    auto const top = tops(id, at, std::max(ask.top_logprobs, 0));
    event e;
    e.index = s.index, e.sample = {id, logprob_of(id, at), 1}, e.top = top, e.text = shown;
    e.raw_logprob = logprob_of(id, at) - 0.5f, e.forced = given, e.weights = number_;
    ++stats_.generated_tokens;
    s.from->sink(e);
    if (stop) finish(s, finish_reason::stop, id);
    else if (matched) finish(s, finish_reason::stop, -1, *matched);
    else if (int(s.out.size()) >= ask.max_tokens) finish(s, finish_reason::length);
  }
  void finish(sequence_state& s, finish_reason why, token stop = -1, std::string_view stop_string = {}, std::string_view error = {}) {
    if (s.done) return;
    std::string rest;
    if (stop_string.empty()) s.stops->finish(rest);
    event e;
    e.what = event::kind::finished, e.index = s.index, e.finish = why, e.stop_token = stop, e.stop_text = stop_string;
    e.error = error, e.text = rest, e.prompt_tokens = int(s.from->ask.prompt.size());
    s.done = true;
    (why == finish_reason::stop ? stats_.finished_stop : why == finish_reason::length ? stats_.finished_length
                                                     : why == finish_reason::cancelled ? stats_.finished_cancelled : stats_.finished_error)++;
    s.from->sink(e);
    for (auto& [from, left] : open_)
      if (from == s.from && --left == 0) jobs_.finished();
    std::erase_if(open_, [](auto const& o) { return o.second == 0; });
  }

  inbox jobs_;
  int room_;
  fake::text text_;
  chat_template chat_;
  config_type config_;
  defaults_type defaults_{};
  std::string name_ = "fake";
  std::vector<token> turn_ends_{end_turn};
  std::vector<std::unique_ptr<sequence_state>> live_;
  std::vector<std::pair<std::shared_ptr<job>, int>> open_;
  engine_stats stats_{};
  std::atomic<bool> hold_{false}, hung_{false};
  std::vector<std::pair<outcome_sink, outcome>> held_;
  std::vector<float> weights_;
  std::uint64_t number_ = 0;
  kv_policy last_kv_{};
};

}  // namespace fake
