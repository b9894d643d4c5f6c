internal import FileBytes

/// How the files of a card are run.
struct CardUse {
  private let card: QuantizedCard

  init(_ card: QuantizedCard) { self.card = card }

  private static let prompt = "Write a short story about a pelican."

  /// The section.
  var text: String {
    var text = "## How to run\n"
    if let file = card.files.first(where: { $0.format == "GGUF" && !$0.isVisionTower }) {
      let name = ShellText.path(file.name)
      let tower =
        card.files.first(where: \.isVisionTower).map { " --mmproj \(ShellText.path($0.name))" } ?? ""
      let context = card.contextLength.map { " -c \(min($0, 8192))" } ?? ""
      text += """

        With [llama.cpp](https://github.com/ggml-org/llama.cpp), any of the GGUF files\(file.isSplit ? " by its first shard" : ""):

        ```
        llama-cli -m \(name)\(context)
        llama-server -m \(name)\(tower)\(context)
        ```

        """
      if let single = card.files.first(where: { $0.format == "GGUF" && !$0.isSplit && !$0.isVisionTower }) {
        let model = ShellText.word(ShellText.modelName(card.title))
        text += """

          With Ollama:

          ```
          echo \(ShellText.word("FROM ./\(single.name)")) > Modelfile
          ollama create \(model) -f Modelfile
          ollama run \(model)
          ```

          """
      }
      text += """

        With Pouch's reference runtime:

        ```
        pouch-generate -m \(name) -p "\(Self.prompt)" -n 200
        ```

        """
    }
    if let folder = card.files.first(where: { $0.format == "MLX" }) {
      text += """

        With [mlx-lm](https://github.com/ml-explore/mlx-lm) on a Mac:

        ```
        mlx_lm.generate --model \(ShellText.path(folder.name)) --prompt "\(Self.prompt)"
        ```

        """
    }
    return text
  }
}

/// How the files of a card were made, as far as they say so themselves.
struct CardMaking {
  private let card: QuantizedCard

  init(_ card: QuantizedCard) { self.card = card }

  private var files: [CardFile] { card.files.filter { $0.provenance != nil } }

  /// The section; empty when no file says anything.
  var text: String {
    guard !files.isEmpty else { return "" }
    var table = MarkdownTable()
    table.add("file") { MarkdownText.escaped($0.name) }
    table.add("mix") { $0.provenance?.mix }
    table.add("recipe") { ($0.provenance?.recipe).map(MarkdownText.escaped) }
    table.add("flags") { file in
      let flags = file.provenance?.flags ?? []
      return flags.isEmpty ? nil : flags.map(MarkdownText.code).joined(separator: " ")
    }
    table.add("importance matrix") { file in
      file.provenance?.importanceFile.map { name in
        MarkdownText.code(name) + (file.provenance?.importanceHash.map { " (\($0))" } ?? "")
      }
    }
    table.add("Pouch") { ($0.provenance?.version).map(MarkdownText.escaped) }
    var text = "## How they were made\n\n" + table.text(files) + "\n" + source
    let commands = files.compactMap { command($0) }
    if !commands.isEmpty { text += "\n```\n" + commands.joined(separator: "\n") + "\n```\n" }
    return text
  }

  private var source: String {
    var lines: [String] = []
    if let baseModel = card.origin.baseModel, let commit = card.origin.commit {
      lines.append("Source: \(MarkdownText.escaped(baseModel)), commit `\(commit)`.")
    }
    var told: Set<[String]> = []
    for provenance in files.compactMap(\.provenance) where !provenance.sourceFiles.isEmpty {
      guard told.insert(provenance.sourceFiles).inserted else { continue }
      let names = provenance.sourceFiles
      let some =
        names.count > 4
        ? "\(names[0]) to \(names[names.count - 1]), \(names.count) files" : names.joined(separator: ", ")
      lines.append(
        "Made from \(MarkdownText.escaped(some))"
          + (provenance.configHash.map { ", `config.json` \($0)" } ?? "") + ".")
    }
    lines.append(
      "The files say so themselves, in their `pouch.*` keys (`pouch-inspect FILE`), and `pouch-validate FILE --against CHECKPOINT` checks it."
    )
    return lines.joined(separator: " ") + "\n"
  }

  /// The command that makes a file again, where its keys tell all of it.
  private func command(_ file: CardFile) -> String? {
    guard let made = file.provenance, made.describesFile, let mix = made.mix, !file.isSplit,
      made.recipe == nil || made.isBuiltInRecipe,
      // The keys name what was overridden, not the values.
      !made.flags.contains(where: { $0.hasPrefix("--override-kv") })
    else { return nil }
    var words = made.flags.flatMap {
      $0.split(separator: " ", maxSplits: 1).map { ShellText.word(String($0)) }
    }
    if let matrix = made.importanceFile { words += ["--imatrix", ShellText.path(matrix)] }
    if let recipe = made.recipe { words += ["--recipe", ShellText.word(recipe)] }
    let name = ShellText.path(file.name)
    if let source = made.sourceFiles.first, source.hasSuffix(".gguf") {
      return (["pouch-quantize"] + words + [ShellText.path(source), name, mix]).joined(separator: " ")
    }
    let type = made.recipe == nil ? ["--outtype", mix.lowercased()] : []
    let source = ShellText.word(card.origin.baseModel ?? card.title)
    return (["pouch-convert", source] + type + words + ["--outfile", name]).joined(separator: " ")
  }
}
