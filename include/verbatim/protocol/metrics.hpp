// Prometheus text (exposition format 0.0.4) with the names that vLLM's dashboards and routers look for.
// Counters of the engine come from its snapshot; latencies are observed here, lock-free.
#pragma once
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "verbatim/engine/request.hpp"

namespace verbatim {

/// A cumulative histogram over fixed bucket bounds. `observe` is wait-free but for one addition loop.
template <std::size_t N> class histogram {
 public:
  explicit constexpr histogram(std::array<double, N> const& bounds) : bounds_(bounds) {}

  void observe(double value) noexcept {
    std::size_t i = 0;
    while (i < N && value > bounds_[i]) ++i;
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    double old = sum_.load(std::memory_order_relaxed);
    while (!sum_.compare_exchange_weak(old, old + value, std::memory_order_relaxed)) {}
  }
  std::array<double, N> const& bounds() const noexcept { return bounds_; }
  std::uint64_t count(std::size_t bucket) const noexcept { return counts_[bucket].load(std::memory_order_relaxed); }
  double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  std::array<double, N> bounds_;
  std::array<std::atomic<std::uint64_t>, N + 1> counts_{};
  std::atomic<double> sum_{0};
};

/// What the front observes of its requests, in seconds.
struct latency_metrics {
  histogram<22> first_token{std::array<double, 22>{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0,
                                                   2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0}};
  histogram<19> inter_token{std::array<double, 19>{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
                                                   5.0, 7.5, 10.0, 20.0, 40.0, 80.0}};
  histogram<21> end_to_end{std::array<double, 21>{0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0,
                                                  60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0}};
};

/// Writes metric families one after the other, each sample with the label model_name.
class metrics_text {
 public:
  explicit metrics_text(std::string_view model) : label_("model_name=\"" + escaped(model) + "\"") {}

  void gauge(std::string_view name, std::string_view help, double value) { plain(name, help, "gauge", number(value)); }
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    plain(name, help, "counter", std::to_string(value));
  }
  struct labelled { std::string_view value; std::uint64_t count; };
  void counter(std::string_view name, std::string_view help, std::string_view key, std::span<labelled const> values) {
    head(name, help, "counter");
    for (auto const& [value, count] : values)
      sample(name, "," + std::string(key) + "=\"" + std::string(value) + "\"", std::to_string(count));
  }
  template <std::size_t N> void distribution(std::string_view name, std::string_view help, histogram<N> const& h) {
    head(name, help, "histogram");
    std::string const base(name);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < N; ++i) {
      total += h.count(i);
      sample(base + "_bucket", ",le=\"" + number(h.bounds()[i]) + "\"", std::to_string(total));
    }
    total += h.count(N);
    sample(base + "_bucket", ",le=\"+Inf\"", std::to_string(total));
    sample(base + "_sum", "", number(h.sum()));
    sample(base + "_count", "", std::to_string(total));
  }
  std::string take() { return std::move(out_); }

 private:
  static std::string escaped(std::string_view s) {
    std::string out;
    for (char c : s) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') out += "\\n"; else out += c;
    }
    return out;
  }
  static std::string number(double value) {
    char text[40];
    std::string out(text, std::to_chars(text, text + sizeof text, value).ptr);
    if (out.find_first_of(".en") == out.npos) out += ".0";
    return out;
  }
  void head(std::string_view name, std::string_view help, std::string_view type) {
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ").append(type) += '\n';
  }
  void sample(std::string_view name, std::string_view labels, std::string_view value) {
    out_.append(name).append("{").append(label_).append(labels).append("} ").append(value) += '\n';
  }
  void plain(std::string_view name, std::string_view help, std::string_view type, std::string_view value) {
    head(name, help, type);
    sample(name, "", value);
  }
  std::string label_, out_;
};

/// The body of GET /metrics.
inline std::string metrics_page(std::string_view model, engine_stats const& s, latency_metrics const& l) {
  metrics_text out(model);
  double const used = s.pages_total > 0 ? double(s.pages_used) / s.pages_total : 0.0;
  out.gauge("vllm:num_requests_running", "Sequences that are being computed.", s.running);
  out.gauge("vllm:num_requests_waiting", "Sequences that wait for room.", s.waiting);
  out.gauge("vllm:kv_cache_usage_perc", "Share of KV pages held by sequences; 1 is full.", used);
  out.gauge("vllm:gpu_cache_usage_perc", "The same under its older name.", used);
  out.gauge("verbatim:kv_pages_used", "KV pages held by sequences.", s.pages_used);
  out.gauge("verbatim:kv_pages_total", "KV pages there are.", s.pages_total);
  out.counter("vllm:prompt_tokens_total", "Prompt tokens processed.", s.prompt_tokens);
  out.counter("vllm:generation_tokens_total", "Tokens generated.", s.generated_tokens);
  out.counter("vllm:num_preemptions_total", "Sequences that had to give their pages back and start again.", s.preemptions);
  out.counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix index.", s.prefix_queries);
  out.counter("vllm:prefix_cache_hits_total", "Prompt tokens found there.", s.prefix_hits);
  out.counter("verbatim:engine_steps_total", "Steps of the engine.", s.steps);
  out.counter("verbatim:weight_refits_total", "Times that the weights were replaced.", s.refits);
  out.gauge("verbatim:paused", "1 while the engine holds still.", s.paused);
  std::array<metrics_text::labelled, 4> const finished{{{"stop", s.finished_stop}, {"length", s.finished_length},
                                                        {"abort", s.finished_cancelled}, {"error", s.finished_error}}};
  out.counter("vllm:request_success_total", "Sequences by how they ended.", "finished_reason", finished);
  out.distribution("vllm:time_to_first_token_seconds", "From the arrival of a request to its first token.", l.first_token);
  out.distribution("vllm:inter_token_latency_seconds", "Between two tokens of a sequence.", l.inter_token);
  out.distribution("vllm:time_per_output_token_seconds", "The same under its older name.", l.inter_token);
  out.distribution("vllm:e2e_request_latency_seconds", "From the arrival of a request to its end.", l.end_to_end);
  return out.take();
}

}  // namespace verbatim
