// The subcommands of the program `verbatim`, one source file each. argv[0] is the subcommand's name. They give the exit
// code: 0 done, 1 the job failed, 2 wrong usage. What they throw is reported by main as a failure of the job.
#pragma once

int run_serve(int argc, char** argv);
int run_generate(int argc, char** argv);
int run_score(int argc, char** argv);
int run_tokenize(int argc, char** argv);
int run_detokenize(int argc, char** argv);
int run_render(int argc, char** argv);
int run_bench(int argc, char** argv);
int run_inspect(int argc, char** argv);
