internal import FileBytes

extension Fingerprint {
  /// What a contestant's answers depend on; flags have the names that users type.
  init(_ contestant: SVGContestant, _ prompts: PromptSet, _ options: SVGRunOptions, version: String) {
    self.init(task: "drawings", version: version)
    add("the prompts (--prompts, --limit)", XXHash64.text(prompts.hash), .named)
    add("the model or its file", contestant.identity, .named)
    add("--mode", "\(contestant.mode)")
    add("--predict", "\(options.tokenLimit)")
    add("--samples", "\(options.sampleCount)")
    add("--temp", "\(options.temperature)")
    add("--seed", "\(options.seed)")
    add("--raw", options.usesChatTemplate ? "not given" : "given")
    add("the cache", "\(contestant.cacheType)")
  }
}
