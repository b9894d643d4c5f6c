internal import FileBytes
internal import ModelEvaluation

/// Drawings of `pouch-svg-eval` side by side: the base's and those of the files of a card.
struct CardPictures {
  /// A row for each prompt: the base first, then the files in order.
  private(set) var pictures: [QuantizedCard.Picture] = []

  /// Finds the drawings beside the results: of those prompts whose drawings are least like the base's, in order of prompts.
  init(_ results: MeasuredResults, order: [Int], limit: Int) {
    // One run has all files side by side; drawings of a second one have a base of their own.
    guard let (document, path, labels) = results.drawn.first else { return }
    let folder = FileSystem.folder(of: path) + "/drawings"
    guard let base = document.models.first(where: { $0.kind == .base }) else { return }
    func source(_ label: String, _ id: String) -> String? {
      let name = "\(folder)/\(SVGSummary.folderName(label))/\(id).png"
      return FileSystem.isFile(name) ? name : nil
    }
    let columns = order.compactMap { index in labels[index].map { (index, $0) } }
    let complete = document.prompts.indices.filter { number in
      ([base.label] + columns.map(\.1)).allSatisfy { source($0, document.prompts[number].id) != nil }
    }
    func score(_ number: Int, _ label: String) -> Double? {
      document.prompts[number].cells.first { $0.model == label }?.score
    }
    let worst = complete.sorted { a, b in
      func least(_ number: Int) -> Double { columns.compactMap { score(number, $0.1) }.min() ?? 1 }
      return (least(a), a) < (least(b), b)
    }
    for number in worst.prefix(limit).sorted() {
      let prompt = document.prompts[number]
      for (label, model) in [(base.label, "base")] + columns.map({ ($0.1, results.files[$0.0].name) }) {
        guard let file = source(label, prompt.id) else { continue }
        pictures.append(
          QuantizedCard.Picture(
            name: "card/drawings/\(SVGSummary.folderName(label))-\(SVGSummary.folderName(prompt.id)).png",
            model: model, promptID: prompt.id, prompt: prompt.prompt,
            score: model == "base" ? nil : score(number, label), source: file))
      }
    }
  }
}
