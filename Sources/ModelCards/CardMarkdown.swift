internal import FileBytes
internal import ModelEvaluation
internal import ReportPages

/// The card as Markdown, as the Hub renders it.
struct CardMarkdown {
  private let card: QuantizedCard

  init(_ card: QuantizedCard) { self.card = card }

  /// The whole `README.md`.
  ///
  /// - Throws: Errors of the YAML library.
  func text() throws -> String {
    let sections = [
      head, filesSection, chartSection, memorySection, drawingsSection, CardUse(card).text,
      CardMaking(card).text,
      checksums,
    ]
    return try FrontMatter(card).text() + "\n" + sections.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  // MARK: - What it is

  private var head: String {
    let formats = [card.hasGGUF ? "GGUF files" : nil, card.hasMLX ? "a folder for MLX" : nil].compactMap(
      \.self)
    let source =
      card.origin.baseModel.map { "[\(MarkdownText.escaped($0))](https://huggingface.co/\($0))" }
      ?? MarkdownText.escaped(card.title)
    var facts = [MarkdownText.escaped(card.architecture), "\(Self.millions(card.parameters)) weights"]
    if card.activeParameters < card.parameters {
      facts.append("\(Self.millions(card.activeParameters)) of them for a token")
    }
    if let context = card.contextLength {
      facts.append("made for \(Figures.grouped(context)) tokens of context")
    }
    let kinds = formats.joined(separator: " and ")
    return """
      # \(MarkdownText.escaped(card.title))\(card.isQuantized ? ", quantized" : "")

      \(kinds.prefix(1).uppercased() + kinds.dropFirst()) of \(source): \(facts.joined(separator: ", ")).

      """
  }

  private static func millions(_ count: Int) -> String {
    count < 1_000_000_000
      ? "\(Figures.fixed(Double(count) / 1e6, 2)) million"
      : "\(Figures.fixed(Double(count) / 1e9, 2)) billion"
  }

  // MARK: - Files and what they lose

  private var filesSection: String {
    var table = MarkdownTable()
    table.add("file") { MarkdownText.link($0.name, to: $0.name) }
    if card.hasGGUF, card.hasMLX { table.add("format") { $0.format } }
    table.add("type") { MarkdownText.escaped(($0.role.map { "\($0), " } ?? "") + $0.type) }
    table.add("size", isNumber: true) { Figures.bytes($0.bytes) }
    table.add("bits per weight", isNumber: true) { $0.bitsPerWeight.map { Figures.fixed($0, 2) } }
    table.add("mean KLD", isNumber: true) {
      $0.loss?.meanDivergence.map { Self.text($0, Figures.divergence) }
    }
    table.add("perplexity ratio", isNumber: true) { file in
      file.loss?.ratio.map { Self.text($0) { Figures.fixed($0, 4) } }
    }
    // Beside ratios the perplexities themselves say nothing more.
    if !card.files.contains(where: { $0.loss?.ratio != nil }) {
      table.add("perplexity", isNumber: true) { file in
        (file.loss?.perplexity).map { Self.text($0) { Figures.fixed($0, 4) } }
      }
    }
    table.add("same top token, %", isNumber: true) { file in
      file.loss?.sameTop.map { Self.text($0) { Figures.fixed(100 * $0, 2) } }
    }
    return "## Files\n\n" + table.text(card.files) + (notes.isEmpty ? "" : "\n" + notes)
  }

  /// A number with its interval, in a cell below it.
  private static func text(_ estimate: Estimate, _ number: (Double) -> String, separator: String = "<br>")
    -> String
  {
    number(estimate.value)
      + (estimate.interval95.map { "\(separator)(\(number($0.lowerBound)) to \(number($0.upperBound)))" }
        ?? "")
  }

  private var notes: String {
    var text = ""
    if let measurement = card.measurement {
      if measurement.base != nil {
        text += "KLD is the KL divergence from \(Self.base(measurement.baseName)) in nats per token. "
        if card.files.contains(where: { $0.contentXXH64 == measurement.baseXXH64 }) {
          text += "It is one of these files, and has none from itself. "
        }
      }
      text += "In parentheses: 95 % intervals over windows. Measured with `pouch-perplexity`"
      text +=
        " on \(Figures.grouped(measurement.windows)) windows of \(Figures.grouped(measurement.windowLength)) tokens"
      if let name = measurement.text { text += " of \(MarkdownText.code(FileSystem.name(of: name)))" }
      if let hash = measurement.textXXH64 { text += " (xxh64 `\(hash)`)" }
      text += ", \(Figures.grouped(measurement.scoredTokens)) tokens scored, mode \(measurement.mode)"
      if measurement.firstWindow > 1 { text += ", from window \(Figures.grouped(measurement.firstWindow))" }
      if let perplexity = measurement.basePerplexity {
        text +=
          "; perplexity of \(Self.base(measurement.baseName)) \(Self.text(perplexity, { Figures.fixed($0, 4) }, separator: " "))"
      }
      text += ".\n"
    }
    return text
  }

  private var chartSection: String {
    guard let chart = card.chart else { return "" }
    let zero = card.files.filter { ($0.loss?.meanDivergence).map { $0.value <= 0 } ?? false }
    let note =
      zero.isEmpty
      ? ""
      : "\nNot in the picture, since a divergence of 0 has no place on a logarithmic axis: "
        + zero.map { MarkdownText.escaped($0.name) }.joined(separator: ", ") + ".\n"
    return "![Mean KL divergence against the size of the file; the numbers are in the table](\(chart))\n"
      + note
  }

  /// The model that others are compared with, by its name.
  private static func base(_ name: String?) -> String { name.map(MarkdownText.code) ?? "the base" }

  // MARK: - Memory

  private var memorySection: String {
    let files = card.files.filter { !$0.memory.isEmpty }
    guard let first = files.first else { return "" }
    var table = MarkdownTable()
    table.add("file") { MarkdownText.escaped($0.name) }
    for (place, memory) in first.memory.enumerated() {
      table.add("\(Figures.grouped(memory.context)) tokens", isNumber: true) {
        Figures.bytes($0.memory[place].bytes)
      }
      table.add("fits") { $0.memory[place].machines.map(Self.machine).joined(separator: ", ") }
    }
    return """
      ## Memory

      \(table.text(files))
      What llama.cpp takes with so many tokens of context (weights, f16 caches, buffers), counted by `pouch-estimate`, and the \
      smallest machine that has room for it; a Mac gives its GPU a part of the memory.

      """
  }

  /// `macbook-32` as `Mac with 32 GB`.
  private static func machine(_ name: String) -> String {
    let parts = name.split(separator: "-")
    guard parts.count == 2 else { return name }
    return "\(parts[0] == "macbook" ? "Mac" : "Linux") with \(parts[1]) GB"
  }

  // MARK: - Drawings

  private var drawingsSection: String {
    guard let drawing = card.drawing else { return "" }
    var table = MarkdownTable()
    table.add("file") { MarkdownText.escaped($0.name) }
    table.add("difference") { $0.drawings?.verdict }
    table.add("likeness", isNumber: true) { file in
      file.drawings?.score.map { Self.text($0) { Figures.fixed($0, 3) } }
    }
    table.add("the same, token by token", isNumber: true) { file in
      file.drawings.flatMap { drawn in
        drawn.identical.map { "\(Figures.grouped($0)) of \(Figures.grouped(drawn.answers))" }
      }
    }
    return """
      ## Drawings

      \(table.text(card.files.filter { $0.drawings != nil }))
      \(Figures.grouped(drawing.prompts)) prompts for SVG (xxh64 `\(drawing.promptsXXH64)`), answered greedily with at most \
      \(Figures.grouped(drawing.tokenLimit)) tokens in mode \(drawing.mode), `pouch-svg-eval`, score \
      \(MarkdownText.escaped(drawing.scoreVersion)). Likeness is that of a model's own drawings with those of \
      \(Self.base(drawing.baseName)), \
      1 for the same drawing; in parentheses 95 % intervals over prompts.

      """ + pictures
  }

  private var pictures: String {
    guard !card.pictures.isEmpty else { return "" }
    var models: [String] = []
    var prompts: [(id: String, text: String)] = []
    for model in ["base"] + card.files.map(\.name) where card.pictures.contains(where: { $0.model == model })
    {
      models.append(model)
    }
    for picture in card.pictures {
      if !prompts.contains(where: { $0.id == picture.promptID }) {
        prompts.append((picture.promptID, picture.prompt))
      }
    }
    func name(_ model: String) -> String {
      guard let file = card.files.first(where: { $0.name == model }) else {
        return card.drawing?.baseName.map(MarkdownText.escaped) ?? "base"
      }
      return MarkdownText.escaped(file.label)
    }
    var text = "\n| prompt | \(models.map(name).joined(separator: " | ")) |\n"
    text += "|---|" + models.map { _ in ":---:|" }.joined() + "\n"
    for prompt in prompts {
      let cells = models.map { model in
        guard let picture = card.pictures.first(where: { $0.model == model && $0.promptID == prompt.id })
        else {
          return "–"
        }
        let score = picture.score.map { "<br>\(Figures.fixed($0, 3))" } ?? ""
        return "![\(MarkdownText.escaped(prompt.text))](\(MarkdownText.destination(picture.name)))\(score)"
      }
      text += "| \(MarkdownText.escaped(prompt.text)) | \(cells.joined(separator: " | ")) |\n"
    }
    let base = Self.base(card.drawing?.baseName)
    // What reads as 1.000 is not told apart.
    return card.pictures.allSatisfy { ($0.score ?? 1) >= 0.9995 }
      ? text + "\nAll of these drawings have a likeness of 1.000 with those of \(base).\n"
      : text + "\nThe prompts whose drawings are least like those of \(base).\n"
  }

  // MARK: - Checksums

  private var checksums: String {
    let lines = card.files.flatMap(\.parts).map(Self.checksum)
    return "## SHA-256\n\nAs `sha256sum -c` reads them:\n\n```\n" + lines.joined(separator: "\n") + "\n```\n"
  }

  /// A line as `sha256sum` prints it, which marks names with backslashes.
  private static func checksum(_ part: CardFile.Part) -> String {
    guard part.name.contains("\\") else { return "\(part.sha256)  \(part.name)" }
    return "\\\(part.sha256)  \(part.name.replacing("\\", with: "\\\\"))"
  }
}
