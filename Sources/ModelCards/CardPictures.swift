internal import FileBytes
internal import ModelEvaluation

/// Drawings of `pouch-svg-eval` side by side: the base's and those of the files of a card.
struct CardPictures {
  /// A row for each prompt: the base first, then the files in order.
  private(set) var pictures: [QuantizedCard.Picture] = []
  /// What is not beside the results.
  private(set) var notices: [String] = []

  /// Finds the drawings beside the results: of those prompts whose drawings are least like the base's, in order of prompts.
  init(_ results: MeasuredResults, order: [Int], limit: Int) {
    // One run has all files side by side; drawings of a second one have a base of their own.
    guard let (document, path, labelsOfFiles) = results.drawn.first else { return }
    if results.drawn.count > 1 {
      notices.append("drawings are shown of \(path) alone: those of another run have a base of their own")
    }
    let folder = FileSystem.folder(of: path) + "/drawings"
    guard let base = document.models.first(where: { $0.kind == .base }) else { return }
    func source(_ label: String, _ id: String) -> String? {
      let name = "\(folder)/\(SVGSummary.folderName(label))/\(id).png"
      return FileSystem.isFile(name) ? name : nil
    }
    let columns = order.compactMap { index in labelsOfFiles[index].map { (index, $0) } }
    let labels = [base.label] + columns.map(\.1)
    let shown = document.prompts.indices.filter { number in
      labels.contains { source($0, document.prompts[number].id) != nil }
    }
    func score(_ number: Int, _ label: String) -> Double? {
      document.prompts[number].cells.first { $0.model == label }?.score
    }
    let worst = shown.sorted { a, b in
      func least(_ number: Int) -> Double { columns.compactMap { score(number, $0.1) }.min() ?? 1 }
      return (least(a), a) < (least(b), b)
    }
    note(missing: labels, document, folder, source, score)
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

  /// Says which drawings a result has scores of and no picture beside it.
  private mutating func note(
    missing labels: [String], _ document: ResultDocument.Drawings, _ folder: String,
    _ source: (String, String) -> String?, _ score: (Int, String) -> Double?
  ) {
    let missing = document.prompts.indices.flatMap { number -> [String] in
      let isDrawn = labels.contains { score(number, $0) != nil }
      return labels.filter { label in
        (score(number, label) != nil || label == labels[0] && isDrawn)
          && source(label, document.prompts[number].id) == nil
      }.map { "\(SVGSummary.folderName($0))/\(document.prompts[number].id).png" }
    }
    guard !missing.isEmpty else { return }
    let count = missing.count > 3 ? ", and \(missing.count - 3) more" : ""
    notices.append(
      "\(folder): not there, and so not shown: \(missing.prefix(3).joined(separator: ", "))\(count)")
  }
}
