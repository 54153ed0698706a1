// The command-line program: dispatches to the subcommands of commands.hpp and turns exceptions into exit codes.
#include "commands.hpp"

#include <cstdio>
#include <exception>
#include <new>
#include <string_view>

#include "options.hpp"

#ifndef VERBATIM_VERSION
#define VERBATIM_VERSION "unknown"
#endif

namespace {

struct command {
  char const* name;
  int (*run)(int, char**);
  char const* about;
};

command const commands[] = {
    {"serve", run_serve, "an OpenAI-compatible HTTP server for one model"},
    {"generate", run_generate, "continue a prompt or answer a conversation"},
    {"score", run_score, "log-probabilities of given tokens (JSON lines)"},
    {"tokenize", run_tokenize, "texts to token ids (JSON lines)"},
    {"detokenize", run_detokenize, "token ids to texts (JSON lines)"},
    {"render", run_render, "chat templates over contexts (JSON lines)"},
    {"bench", run_bench, "tokens per second, latencies and percent of the memory-bandwidth floor"},
    {"inspect", run_inspect, "what a model is, what it needs and its floors"},
};

void print_usage(std::FILE* out) {
  std::fputs("Usage: verbatim COMMAND [options]\n\nCommands:\n", out);
  for (auto const& c : commands) std::fprintf(out, "  %-12s%s\n", c.name, c.about);
  std::fputs("\n'verbatim help COMMAND' (or 'verbatim COMMAND --help') lists a command's options;\n"
             "'verbatim --version' says which version this is.\n"
             "Exit codes: 0 done, 1 the job failed, 2 wrong usage.\n", out);
}

command const* find(std::string_view name) {
  for (auto const& c : commands)
    if (name == c.name) return &c;
  return nullptr;
}

int unknown(char const* name) {
  std::fprintf(stderr, "verbatim: unknown command '%s'\n\n", name);
  print_usage(stderr);
  return cli::usage;
}

int run(command const& c, int argc, char** argv) {
  try {
    return c.run(argc, argv);
  } catch (std::bad_alloc const&) {
    std::fprintf(stderr, "verbatim %s: out of memory\n", c.name);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "verbatim %s: %s\n", c.name, e.what());
  }
  return cli::failure;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    print_usage(stderr);
    return cli::usage;
  }
  std::string_view const name = argv[1];
  if (name == "help" && argc > 2 && std::string_view(argv[2]) != "--help") {
    if (argc > 3) {
      std::fputs("verbatim help: one COMMAND is expected\n", stderr);
      return cli::usage;
    }
    command const* const about = find(argv[2]);
    if (!about) return unknown(argv[2]);
    char asked[] = "--help";
    char* shown[] = {argv[2], asked, nullptr};
    return run(*about, 2, shown);
  }
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(stdout);
    return cli::success;
  }
  if (name == "--version") {
    std::puts("verbatim " VERBATIM_VERSION);
    return cli::success;
  }
  if (command const* const named = find(name)) return run(*named, argc - 1, argv + 1);
  return unknown(argv[1]);
}
