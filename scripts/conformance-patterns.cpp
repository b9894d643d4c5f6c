// Records what std::regex finds, for the tests of rule patterns:
//
//     c++ -std=c++17 conformance-patterns.cpp -o patterns && ./patterns > Tests/QuantRecipesTests/Golden/patterns.tsv
//
// One line per pattern: the pattern, a tab, then one digit per name (1 = found) or "error". Patterns are
// lower-cased first, as llama-quantize does. The recording was made with libstdc++.
#include <algorithm>
#include <iostream>
#include <regex>
#include <string>
#include <vector>

int main() {
  const std::vector<std::string> names = {
    "output.weight", "token_embd.weight", "blk.0.attn_q.weight", "blk.1.attn_v.weight",
    "blk.12.ffn_down_exps.weight", "blk.3.ffn_gate_inp.weight", "blk.20.ssm_out.weight", "v.blk.1.attn_k.bias",
    "a]b}c.weight", "[x&y-z].weight", "aab",
  };
  const std::vector<std::string> patterns = {
    "attn_v", "^output\\.weight$", "blk\\.(0|1|12)\\.", "blk\\.[0-9]\\.", "blk\\.1[0-9]\\.",
    "ffn_(up|down)_exps", "[.]attn_[qk][.]", "\\d\\d", "BLK\\.\\D", "^(?!blk).*", "(?=.*attn).*weight",
    "(?<=blk)", "(?i)OUT", "(?:attn|ffn)_", "a++b", "a+?b", "a{2}b", "a{,2}", "a{2", "x}", "b}c", "a]b",
    "]", "[]a]", "[^]", "[[x]", "[x&&y]", "[&-]", "[a-]", "[z-a]", "[[:alpha:]]+_[[:digit:]]",
    "[[:digit:]]{2}", "[\\d]{2}", "[\\w.]+$", "\\q", "\\_", "\\.weight\\b", "\\bweight", "*a", "+a", "?",
    "a**", "a|", "|", "()", "(", "a)", "\\1", "(a)\\1b", "\\x61ab", "\\u0061ab", "\\ca", "blk.0.",
    "[^.]+\\.weight$", "a\\", "[\\]]", "\\[x", "^$", "$^", "a??b", "(a+)+b", "[[.a.]]ab", "[[=a=]]ab",
    "\\-z", "\\/", "a{1,2}b", "(?>a)", "(?<n>a)", "a{2}+b", "\\v", "\\0", "\\e", "{", "^*a",
  };
  for (const auto & pattern : patterns) {
    std::string lowered = pattern;
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), ::tolower);
    std::cout << pattern << "\t";
    try {
      const std::regex compiled(lowered);
      for (const auto & name : names) {
        std::cout << (std::regex_search(name, compiled) ? '1' : '0');
      }
    } catch (const std::regex_error &) {
      std::cout << "error";
    }
    std::cout << "\n";
  }
}
