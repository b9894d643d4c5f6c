import ModelDescriptions
import Testing

@Suite("Names and size labels")
struct NameTests {
  // Each expectation is what gguf-py's `Metadata.get_model_id_components` returns: full name, organization,
  // basename, finetune, version, size label.
  static let cases: [(id: String, parameterCount: Int, parts: [String?])] = [
    (
      "Qwen/Qwen3-30B-A3B-Instruct-2507", 30532122624,
      ["Qwen3-30B-A3B-Instruct-2507", "Qwen", "Qwen3", "Instruct", "2507", "30B-A3B"]
    ),
    ("Qwen3.6-35B-A3B", 34660610688, ["Qwen3.6-35B-A3B", nil, "Qwen3.6", nil, nil, "35B-A3B"]),
    (
      "Qwen2.5-Coder-7B-Instruct", 7615616512,
      ["Qwen2.5-Coder-7B-Instruct", nil, "Qwen2.5-Coder", "Instruct", nil, "7B"]
    ),
    (
      "meta-llama/Llama-3.2-1B-Instruct", 1235814400,
      ["Llama-3.2-1B-Instruct", "meta-llama", "Llama-3.2", "Instruct", nil, "1B"]
    ),
    (
      "Mixtral-8x7B-Instruct-v0.1", 46702792704,
      ["Mixtral-8x7B-Instruct-v0.1", nil, "Mixtral", "Instruct", "v0.1", "8x7B"]
    ),
    (
      "mistralai/Mistral-7B-v0.3", 7248023552, ["Mistral-7B-v0.3", "mistralai", "Mistral", nil, "v0.3", "7B"]
    ),
    ("Meta-Llama-3.1-8B", 8030261248, ["Meta-Llama-3.1-8B", nil, "Meta-Llama-3.1", nil, nil, "8B"]),
    (
      "Qwen1.5-MoE-A2.7B-Chat", 14315784192,
      ["Qwen1.5-MoE-A2.7B-Chat", nil, "Qwen1.5-MoE", "Chat", nil, "A2.7B"]
    ),
    ("Pelican-10M-A5M", 10240000, ["Pelican-10M-A5M", nil, "Pelican", nil, nil, "10M-A5M"]),
    ("bloom-7b1-mt", 7069016064, ["bloom-7b1-mt", nil, "bloom", "mt", nil, "7.1B"]),
    (
      "phi-3-mini-128k-instruct", 3821079552,
      ["phi-3-mini-128k-instruct", nil, "phi-3", "128k-instruct", nil, "mini"]
    ),
    ("SmolLM2-135M", 134515008, ["SmolLM2-135M", nil, "SmolLM2", nil, nil, "135M"]),
    ("./models", 0, ["models", nil, nil, nil, nil, nil]),
    ("a model with spaces", 5, ["a model with spaces", nil, nil, nil, nil, nil]),
    ("qwen3_moe", 5000000, ["qwen3_moe", nil, nil, nil, nil, nil]),
    ("qwen2-tied-yarn", 2000000, ["qwen2-tied-yarn", nil, nil, nil, nil, nil]),
    (
      "TinyLlama-1.1B-Chat-v1.0", 1100048384,
      ["TinyLlama-1.1B-Chat-v1.0", nil, "TinyLlama", "Chat", "v1.0", "1.1B"]
    ),
    (
      "DeepSeek-R1-Distill-Qwen-32B", 32763876352,
      ["DeepSeek-R1-Distill-Qwen-32B", nil, "DeepSeek-R1-Distill-Qwen", nil, nil, "32B"]
    ),
    (
      "Qwen3-4B-Thinking-2507-FP8", 4022468096,
      ["Qwen3-4B-Thinking-2507-FP8", nil, "Qwen3", "Thinking-FP8", "2507", "4B"]
    ),
    ("x--y-7B", 7000000000, ["x--y-7B", nil, "x-y", nil, nil, "7B"]),
    ("checkpoint-1000-f16", 7000000, ["checkpoint-1000-f16", nil, nil, nil, nil, nil]),
    (
      "granite-3.0-1b-a400m-base", 1334628352,
      ["granite-3.0-1b-a400m-base", nil, "granite-3.0", "base", nil, "1B-a400M"]
    ),
    (
      "Qwen3-Next-80B-A3B-Instruct", 79674391296,
      ["Qwen3-Next-80B-A3B-Instruct", nil, "Qwen3-Next", "Instruct", nil, "80B-A3B"]
    ),
    ("foo-XL-7B-q4_K", 7000000000, ["foo-XL-7B-q4_K", nil, "foo-XL", nil, nil, "7B"]),
    ("7B", 7000000000, ["7B", nil, nil, "7B", nil, nil]),
    ("", 7, ["", nil, nil, nil, nil, nil]),
  ]

  @Test("Names are taken apart as the reference does", arguments: cases)
  func components(_ test: (id: String, parameterCount: Int, parts: [String?])) {
    let name = ModelName(id: test.id, parameterCount: test.parameterCount)
    let parts = [
      name.fullName, name.organization, name.basename, name.finetune, name.version, name.sizeLabel,
    ]
    #expect(parts == test.parts)
  }

  @Test(
    "Titles",
    arguments: [
      ("qwen3-30b-a3b", "Qwen3 30b A3B"), ("Qwen3-4B", "Qwen3 4B"), ("llama v1.5 chat", "Llama v1.5 Chat"),
      ("my-3d-model", "My 3d Model"), ("mixed-Case-word's", "Mixed Case Word'S"),
    ])
  func titles(_ test: (String, String)) {
    #expect(ModelName.title(test.0) == test.1)
  }

  @Test(
    "Sizes have at least two digits",
    arguments: [
      (34_660_610_688, "35B"), (2_200_000_000, "2.2B"), (494_032_768, "494M"), (6_556_160, "6.6M"),
      (99_500_000, "100M"), (9_950_000_000, "10B"), (500, "0.50K"), (1_000_000, "1000K"),
      (999_999_999, "1000M"),
    ])
  func sizes(_ test: (Int, String)) {
    #expect(SizeLabel.rounded(test.0) == test.1)
  }

  @Test("Experts count once, times their number")
  func expertSizes() {
    let outputs = [
      (name: "token_embd.weight", ggmlShape: [1000, 1400]),
      (name: "blk.0.ffn_up_exps.weight", ggmlShape: [1000, 800, 128]),
    ]
    #expect(SizeLabel.label(outputs: outputs) == "128x2.2M")
    #expect(SizeLabel.label(outputs: []) == nil)
  }

  @Test("Model cards: plain values, lists, quotes, comments; odd values are ignored")
  func cards() {
    let card = ModelCard(
      readme: """
        ---
        license: apache-2.0   # a comment
        license_link: "https://example.org/#L"
        tags:
        - moe
          - 'svg'
        language: [en, "no"]
        base_model:
          - Qwen/Qwen3-30B-A3B
        widget:
          text: nested
        empty:
        ---
        name: not front matter
        """)
    #expect(card.text("license") == "apache-2.0")
    #expect(card.text("license_link") == "https://example.org/#L")
    #expect(card.list("tags") == ["moe", "svg"])
    #expect(card.list("language") == ["en", "no"])
    #expect(card.firstList(["base_models", "base_model"]) == ["Qwen/Qwen3-30B-A3B"])
    #expect(card.values["widget"] == nil)
    #expect(card.values["name"] == nil)
    #expect(ModelCard(readme: "# no front matter").values.isEmpty)
    #expect(ModelCard(readme: "").values.isEmpty)
  }
}
