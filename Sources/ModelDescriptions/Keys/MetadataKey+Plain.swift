internal import TensorTypes

extension MetadataKey {
  /// The keys of any model that stand under no architecture's name.
  package static let general: [MetadataKey] = [
    .plain("general.architecture", .string, .required, in: .texts(architectures)),
    .plain("general.name", .string),
    .plain("general.file_type", .u32, .assumes("the mix that the tensors show")),
    .plain("general.quantization_version", .u32, in: .integers(2...2)),
  ]

  /// The kinds of vocabulary that llama.cpp knows.
  static let vocabularyKinds = [
    "llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "gemma4", "hybriddna", "whitespace", "none", "no_vocab",
    "test",
  ]

  /// The keys of a vocabulary.
  package static let tokenizer: [MetadataKey] =
    [
      .plain("tokenizer.ggml.model", .string, .required, in: .texts(vocabularyKinds)),
      .plain("tokenizer.ggml.pre", .string, .assumesWrongly("a rule that splits text as few models do")),
      .plain("tokenizer.ggml.tokens", .string, .required, form: .list),
      .plain("tokenizer.ggml.merges", .string, form: .list),
      .plain("tokenizer.ggml.scores", .f32, or: [.i32], form: .list),
      .plain("tokenizer.ggml.token_type", .i32, form: .list, in: .integers(0...6)),
      .plain("tokenizer.ggml.token_type_count", .u32),
      .plain("tokenizer.ggml.suppress_tokens", .i32, form: .list),
      .plain("tokenizer.ggml.precompiled_charsmap", .u8, or: [.i8], form: .list),
      .plain("tokenizer.ggml.normalizer.lowercase", .bool),
      .plain("tokenizer.ggml.normalizer.strip_accents", .bool),
      .plain("tokenizer.ggml.add_space_prefix", .bool),
      .plain("tokenizer.ggml.remove_extra_whitespaces", .bool),
      .plain("tokenizer.ggml.add_bos_token", .bool),
      .plain("tokenizer.ggml.add_eos_token", .bool),
      .plain("tokenizer.ggml.add_sep_token", .bool),
    ] + specialTokens.map { .plain("tokenizer.ggml.\($0)_token_id", .u32) }

  private static let specialTokens = [
    "bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "fim_pre", "fim_suf", "fim_mid",
    "fim_pad", "fim_rep", "fim_sep", "prefix", "suffix", "middle",
  ]

  /// The architectures that llama.cpp loads.
  static let architectures = [
    "clip", "llama", "llama4", "deci", "falcon", "grok", "gpt2", "gptneox", "mpt", "baichuan",
    "starcoder", "refact", "bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert",
    "jina-bert-v2", "jina-bert-v3", "eurobert", "bloom", "stablelm", "qwen", "qwen2", "qwen2moe",
    "qwen2vl", "qwen3", "qwen3moe", "qwen3next", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe",
    "qwen4exp", "phi2", "phi3", "phimoe", "plamo", "plamo2", "plamo3", "codeshell", "orion", "internlm2",
    "minicpm", "minicpm3", "gemma", "gemma2", "gemma3", "gemma3n", "gemma4", "gemma4-assistant",
    "gemma-embedding", "starcoder2", "mamba", "mamba2", "maple", "jamba", "falcon-h1", "xverse",
    "command-r", "cohere2", "cohere2moe", "dbrx", "olmo", "olmo2", "olmoe", "muse-glimmer", "openelm",
    "arctic", "deepseek", "deepseek2", "deepseek2-ocr", "deepseek32", "deepseek4", "chatglm", "glm4",
    "glm4moe", "glm-dsa", "bitnet", "t5", "t5encoder", "jais", "jais2", "nemotron", "nemotron_h",
    "nemotron_h_moe", "exaone", "exaone4", "exaone-moe", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7",
    "granite", "granitemoe", "granitehybrid", "graniteswitch", "granite_swa", "chameleon",
    "wavtokenizer-dec", "plm", "bailingmoe", "bailingmoe2", "bailingmoe3", "dots1", "dots3note", "arcee",
    "afmoe", "laguna", "ernie4_5", "ernie4_5-moe", "hunyuan-moe", "hunyuan-dense", "hunyuan_vl", "hy_v3",
    "hy_v4", "smollm3", "gpt-oss", "lfm2", "lfm2moe", "dream", "smallthinker", "llada", "llada-moe",
    "seed_oss", "grovemoe", "apertus", "minimax-01", "hrm_text", "minimax-m2", "minimax-m3", "cogvlm",
    "rnd1", "pangu-embedded", "mistral3", "eagle3", "dflash", "mistral4", "paddleocr", "mimo2", "step35",
    "spark2_5", "llama-embed", "maincoder", "kimi-linear", "kimi-k3", "glm5-next", "talkie", "mellum",
    "nanbeige", "qwen3tts", "pockettts",
  ]

  /// The names of rules by which llama.cpp splits text for byte pairs.
  package static let splittingRules: Set<String> = [
    "a.x-4.0", "afmoe", "bailingmoe", "bailingmoe2", "bloom", "chameleon", "chatglm-bpe", "codeshell",
    "cohere2moe", "command-r", "dbrx", "deepseek-coder", "deepseek-llm", "deepseek-r1-qwen", "deepseek-v3",
    "default", "exaone", "exaone-moe", "exaone4", "f2llmv2", "falcon", "falcon-h1", "falcon3", "gemma4",
    "gigachat", "glm4", "glm5", "gpt-2", "gpt-4o", "gpt3-finnish", "granite-docling",
    "granite-embed-multi-311m", "granite-embed-multi-97m", "grok-2", "hunyuan", "hunyuan-dense", "hy_v4",
    "jais", "jais-2", "jina-de", "jina-es", "jina-v1-en", "jina-v2-code", "jina-v2-de", "jina-v2-es",
    "jina-v5-nano", "joyai-llm", "kanana2", "kimi-k2", "kormo", "laguna", "lfm2", "llada-moe", "llama-bpe",
    "llama-v3", "llama3", "llama4", "megrez", "mellum", "mellum2", "midm-2.0", "minerva-7b", "minicpm5",
    "minimax-m2", "modern-bert", "mpt", "olmo", "phi-2", "pixtral", "poro-chat", "qwen2", "qwen35",
    "refact", "roberta-bpe", "sarvam-moe", "seed-coder", "smaug-bpe", "smollm", "solar-open", "spark2_5",
    "stablelm2", "starcoder", "superbpe", "talkie", "tekken", "tiny_aya", "trillion", "ufakzeka", "viking",
    "whitespace", "youtu",
  ]
}
