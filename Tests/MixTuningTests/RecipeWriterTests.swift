import FileBytes
import MixTuning
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

@Suite("Mixes as recipes")
struct RecipeWriterTests {
  /// The types that a recipe gives, before substitutes for rows that do not fit.
  private func types(_ recipe: Recipe, _ layout: ModelLayout) throws -> [String: TensorType] {
    var options = MixOptions()
    options.recipe = recipe
    let found = try TypeMixer.resolve(
      mix: recipe.stockMix, options: options, facts: layout.facts, tensors: layout.tensors)
    #expect(found.notes.isEmpty)
    return Dictionary(
      uniqueKeysWithValues: zip(layout.tensors, found.decisions).map { ($0.name, $1.fallbackFrom ?? $1.type) }
    )
  }

  private func expect(
    _ text: String, gives mix: TunedMix, of table: SensitivityTable, _ layout: ModelLayout
  ) throws {
    // From the text alone, as another program would.
    let read = try RecipeLibrary.recipe(text: Array(text.utf8), file: "mine.yaml")
    let found = try types(read, layout)
    for (row, type) in zip(table.rows, mix.types(in: table)) {
      for tensor in row.group.tensors { #expect(found[tensor] == type, "\(tensor)\n\(text)") }
    }
  }

  @Test("every choice comes back", arguments: ModelLayout.names) func random(_ name: String) throws {
    let layout = try ModelLayout(name)
    let table = try layout.table()
    let writer = RecipeWriter(table, facts: layout.facts, tensors: layout.tensors)
    for seed in 0..<12 {
      var random = SeededGenerator(seed: UInt64(seed))
      // From one type nearly everywhere to any type anywhere.
      let few = Int.random(in: 1..<ModelLayout.types.count, using: &random)
      let common = table.rows.map { _ in Int.random(in: 0...few, using: &random) }
      let mix = table.mix(
        table.rows.indices.map { seed % 3 == 0 ? common[0] : seed % 3 == 1 ? common[$0 / 7] : common[$0] })
      try expect(
        try writer.recipe(for: mix, name: "mine", file: "mine.yaml").text, gives: mix, of: table, layout)
      let based = try writer.recipe(for: mix, name: "mine", file: "mine.yaml", base: "q4_k_m")
      try expect(based.text, gives: mix, of: table, layout)
      #expect(based.recipe.origins.map(\.name) == ["mine", "q4_k_m"])
    }
  }

  @Test("rules are few, exceptions are ranges of layers") func reads() throws {
    let layout = try ModelLayout("qwen3.6-35b-a3b")
    let table = try layout.table(name: "Qwen3.6-35B-A3B")
    let choices = table.rows.map { row -> Int in
      let type: TensorType =
        switch (row.group.role, row.group.layer) {
        case (.attentionKey, 11), (.attentionKey, 15), (.attentionValue, 11), (.attentionValue, 15),
          (.attentionValue, 39):
          .q8_0
        case (.routedExpertsDown, 0), (.routedExpertsDown, 1), (.routedExpertsDown, 38): .q5_K
        case (.routedExpertsGateUp, _), (.routedExpertsDown, _): .q3_K
        default: .q6_K
        }
      return ModelLayout.types.firstIndex(of: type) ?? 0
    }
    let mix = table.mix(choices)
    let text = try RecipeWriter(table, facts: layout.facts, tensors: layout.tensors)
      .recipe(for: mix, name: "qwen-4.5", file: "mine.yaml").text
    try expect(text, gives: mix, of: table, layout)
    let rules = text.split(separator: "\n").drop { $0 != "rules:" }.dropFirst()
    let selections = rules.filter { !$0.contains("why:") }.joined(separator: "\n")
    #expect(
      selections == """
          - role: any
            layers: next-token
            type: q6_K
          - role: embedding
            type: q6_K
          - role: output
            type: q6_K
          - role: attention.k
            layers: 11..15
            type: q8_0
          - role: attention.v
            layers: [11..15, 39]
            type: q8_0
          - role: attention
            type: q6_K
          - role: linear-attention
            type: q6_K
          - role: routed-experts.down
            layers: [0..1, 38]
            type: q5_K
          - role: routed-experts
            type: q3_K
          - role: shared-experts
            type: q6_K
        """, "\(text)")
    #expect(text.contains("Predicted mean KL"))
    #expect(text.contains("default: q3_K\n"))
    #expect(
      rules.contains {
        $0.contains("why: ") && $0.contains("q8_0 would take") && $0.contains("q5_K would take")
      })
  }

  @Test("bytes and divergences of the reasons add up to those of the mix") func reasons() throws {
    let layout = try ModelLayout("lfm2-8b-a1b")
    let table = try layout.table()
    let mix = table.mix(table.rows.indices.map { $0 % 5 })
    let text = try RecipeWriter(table, facts: layout.facts, tensors: layout.tensors)
      .recipe(for: mix, name: "mine", file: "mine.yaml").text
    let losses = text.split(separator: "\n").compactMap { line -> Double? in
      guard let start = line.firstRange(of: "loses ") else { return nil }
      return Double(line[start.upperBound...].prefix { "0123456789.".contains($0) })
    }
    #expect(abs(losses.reduce(0, +) / mix.predictedDivergence - 1) < 0.01)
  }

  @Test("what the recipe was made from") func provenance() throws {
    let layout = try ModelLayout("llama-3.2-1b")
    var table = try layout.table(name: "evil: \"name\"\n# - {a}\u{2028}")
    table.importance = SensitivityTable.Importance(name: "it's [mine].gguf", hash: "0011223344556677")
    table.method = .local
    table.gains = [
      .init(role: .output, layer: nil, gain: 0.5, type: "q4_K"),
      .init(role: .embedding, layer: nil, gain: 2, type: "q4_K"),
    ]
    let mix = table.mix(
      table.rows.map { _ in 3 }, actual: .init(divergence: 0.0123, low: 0.01, high: 0.015, windows: 60))
    let written = try RecipeWriter(table, facts: layout.facts, tensors: layout.tensors)
      .recipe(for: mix, name: "mine", file: "mine.yaml")
    let found = written.recipe.provenance
    #expect(found["model"] == "evil: \"name\" # - {a} , xxh64:0123456789abcdef")
    #expect(found["importance"] == "it's [mine].gguf, xxh64:0011223344556677")
    #expect(found["text"] == "text.txt, xxh64:fedcba9876543210, 64 windows of 512 tokens")
    #expect(found["method"] == "local" && found["gains"] == "2, 0.500 to 2.00")
    #expect(found["budget"] == "4.5 bits per weight")
    #expect(written.recipe.importanceUse == .expected)
    #expect(written.text.contains("Measured on 60 windows"))
    try expect(written.text, gives: mix, of: table, layout)
  }

  @Test("one type everywhere") func one() throws {
    let layout = try ModelLayout("gpt-oss-20b")
    let table = try layout.table()
    let writer = RecipeWriter(table, facts: layout.facts, tensors: layout.tensors)
    for choice in ModelLayout.types.indices {
      let mix = table.mix(table.rows.map { _ in choice })
      try expect(
        try writer.recipe(for: mix, name: "mine", file: "mine.yaml").text, gives: mix, of: table, layout)
    }
  }

  @Test("groups that no rule can tell apart are named") func notExpressible() throws {
    let layout = try ModelLayout("deepseek-v3")
    var table = try layout.table()
    // One layer's query projections as two groups, though rules have one name for both.
    let row = try #require(
      table.rows.firstIndex { $0.group.role == .attentionQuery && $0.group.tensors.count == 2 })
    var second = table.rows[row]
    second.group.tensors.removeFirst()
    table.rows[row].group.tensors.removeLast()
    table.rows.insert(second, at: row + 1)
    let mix = table.mix(table.rows.indices.map { $0 == row ? 2 : 4 })
    let error = #expect(throws: TuningError.self) {
      _ = try RecipeWriter(table, facts: layout.facts, tensors: layout.tensors)
        .recipe(for: mix, name: "mine", file: "mine.yaml")
    }
    #expect(error?.code == .groupNotExpressible)
    #expect(error?.fault.problems.count == 1)
    #expect(error?.fault.problems.first?.contains(table.rows[row + 1].group.tensors[0]) ?? false)
  }
}
