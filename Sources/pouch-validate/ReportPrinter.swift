import CommandSupport
import FileBytes
import OutputValidation

/// Prints a report for people: what was checked, the tensors worst first, the findings.
struct ReportPrinter {
  let report: ValidationReport
  let rowLimit: Int

  func print() {
    line("file", "\(report.file)" + (report.files.count > 1 ? " (\(report.files.count) shards)" : ""))
    if let tensors = report.tensorCount, let weights = report.weights {
      line(
        "model",
        "\(report.architecture ?? "unknown architecture"), \(report.format ?? ""), \(tensors) tensors, "
          + "\(weights) weights, \(report.fileBytes) bytes")
    }
    if let provenance = report.provenance { origin(provenance) }
    if let mix = report.mix { line("mix", mixText(mix)) }
    if let scan = report.scan {
      let rate = scan.seconds > 0 ? ", \(decimals(Double(scan.bytes) / scan.seconds / 1e9, 2)) GB/s" : ""
      line("blocks", "\(scan.blocks) checked in \(ByteSize.text(scan.bytes))\(rate)")
    }
    if let against = report.against { comparison(against) }
    if let manifest = report.manifest {
      line(
        "manifest",
        "\(manifest.matching) hashes match"
          + (manifest.mismatching.isEmpty ? "" : ", \(manifest.mismatching.count) do not"))
    }
    findings()
    line("result", verdict)
  }

  private func line(_ title: String, _ text: String) {
    Standard.output(plain(title + String(repeating: " ", count: max(1, 10 - title.count)) + text))
  }

  private func mixText(_ mix: MixRecognition) -> String {
    guard mix.recognised != nil else {
      return mix.fileType.map { "file type \($0), which is not checked here" } ?? "unknown"
    }
    var text = mix.title
    if mix.basis == nil, let stated = mix.stated, stated != mix.recognised {
      text += ", though the file says \(stated)"
    }
    if mix.withImportance { text += ", as made with an importance matrix" }
    let count = mix.deviations.count
    return text
      + (count == 0
        ? mix.basis == nil ? ", every type as stock" : ", every type as it gives"
        : ", \(count) tensor\(count == 1 ? " deviates" : "s deviate")")
  }

  /// Where the file says that it comes from.
  private func origin(_ provenance: ProvenanceRecord) {
    var parts: [String] = []
    if let recipe = provenance.recipe {
      let known =
        switch recipe.status {
        case .builtIn: "built in"
        case .given: "the one given"
        case .unknown: "\(recipe.hash), not at hand"
        case .otherHash: "\(recipe.hash), not the text at hand"
        }
      parts.append("recipe \(recipe.name) (\(known))")
    } else if let mix = provenance.mix {
      parts.append("\(mix)")
    }
    if !provenance.flags.isEmpty { parts.append("with " + provenance.flags.joined(separator: " ")) }
    if let file = provenance.importanceFile { parts.append("importance matrix \(file)") }
    let sources = provenance.sources
    if !sources.isEmpty {
      let names = sources.prefix(2).map(\.name).joined(separator: ", ")
      let bytes = sources.reduce(UInt64(0)) { $0 &+ $1.bytes }
      parts.append(
        "from \(names)" + (sources.count > 2 ? " and \(sources.count - 2) more" : "")
          + (Int(exactly: bytes).map { " (\(ByteSize.text($0)))" } ?? ""))
    }
    let version = provenance.version.map { "Pouch \($0)" } ?? "unknown version"
    line(
      "made by",
      ([version] + parts).joined(separator: ", ")
        + (provenance.describesFile ? "" : "; changed by another tool since"))
  }

  /// How the inputs at hand relate to those that the file names.
  private func inputsText(_ match: ProvenanceMatch) -> String {
    let sources = match.inputs.filter { $0.role == "source" }
    var parts: [String] = []
    if !sources.isEmpty {
      let same = sources.count { $0.outcome == .same }
      parts.append(
        sources.allSatisfy { $0.outcome == .notCompared }
          ? "source files not compared" : "\(same) of \(sources.count) source files as the file names them")
    }
    for input in match.inputs where input.role != "source" {
      let word: String =
        switch input.outcome {
        case .same: "the same"
        case .differs: "another"
        case .missing, .notCompared: "not compared"
        case .extra: "not named by the file"
        }
      parts.append("\(input.role) \(word)")
    }
    return parts.joined(separator: ", ")
  }

  private func comparison(_ against: SourceComparison) {
    line("source", against.source)
    line(
      "verdict",
      "\(against.verdict.rawValue): \(against.exactTensors) of \(against.comparedTensors) tensors have the bytes that "
        + "quantizing the source\(against.withImportance ? " with this importance matrix" : "") gives"
        + (against.comparedTensors < report.tensorCount ?? 0
          ? "; \((report.tensorCount ?? 0) - against.comparedTensors) not compared" : ""))
    if let inputs = against.inputs, !inputs.inputs.isEmpty { line("inputs", inputsText(inputs)) }
    let rate = against.seconds > 0 ? Double(against.weights) / against.seconds / 1e6 : 0
    line(
      "error",
      "\(number(against.relativeError)) relative over \(against.weights) weights; "
        + "\(decimals(against.seconds, 1)) s, \(decimals(rate, 0)) million weights/s, buffers \(ByteSize.text(against.bufferBytes))"
    )
    guard rowLimit > 0 else { return }
    let shown = against.tensors.prefix(rowLimit)
    Standard.output("")
    var table = [
      [
        "tensor, worst first", "type", "rel. error", "quantizing", "RMSE", "1 - cosine", "differ",
        "worst block",
      ]
    ]
    for tensor in shown {
      table.append([
        tensor.name, tensor.type, number(tensor.relativeError), number(tensor.requantizedError),
        number(tensor.rmse),
        number(max(0, 1 - tensor.cosine)), "\(tensor.differingBlocks)", tensor.worstBlock,
      ])
      guard let worst = tensor.experts.max(by: { Self.rank($0) < Self.rank($1) }), tensor.experts.count > 1
      else {
        continue
      }
      table.append([
        "  expert \(worst.expert)", "", number(worst.relativeError), number(worst.requantizedError),
        number(worst.rmse),
        number(max(0, 1 - worst.cosine)), "\(worst.differingBlocks)", "",
      ])
    }
    columns(table)
    if against.tensors.count > shown.count {
      Standard.output("… and \(against.tensors.count - shown.count) more; --rows shows them, --json has all")
    }
    Standard.output("")
  }

  /// Experts that are wrong come before those that are merely coarse.
  private static func rank(_ expert: SourceComparison.Expert) -> Double {
    switch expert.verdict {
    case .notFromSource: 1e9 + expert.relativeError
    case .damaged: 1e6 + expert.relativeError
    case .sameRecipe, .otherTypes, .exact: expert.relativeError
    }
  }

  private func columns(_ table: [[String]]) {
    let widths = (0..<8).map { column in table.map { $0[column].count }.max() ?? 0 }
    for row in table {
      var text = ""
      for (column, cell) in row.enumerated() {
        let space = String(repeating: " ", count: widths[column] - cell.count)
        text += (2...6).contains(column) ? space + cell + "  " : cell + (column == 7 ? "" : space + "  ")
      }
      while text.last == " " { text.removeLast() }
      Standard.output(text)
    }
  }

  private func findings() {
    let limit = 40
    for finding in report.findings.prefix(limit) {
      let location = finding.location.commandText
      Standard.output(
        plain(
          "\(finding.severity.rawValue): \(location.isEmpty ? "" : location + ": ")expected \(finding.expected.commandText), "
            + "found \(finding.found.commandText)"
            + (finding.remedy.isEmpty ? "" : " (\(finding.remedy.commandText))")))
    }
    if report.findings.count > limit {
      Standard.output("… and \(report.findings.count - limit) more findings; --json has all")
    }
  }

  /// Names come from files; they must not break lines or drive the terminal.
  private func plain(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
  }

  private var verdict: String {
    let errors = report.count(.error)
    let warnings = report.count(.warning)
    let tail = warnings > 0 ? ", \(warnings) warning\(warnings == 1 ? "" : "s")" : ""
    return errors == 0 ? "sound\(tail)" : "not sound: \(errors) error\(errors == 1 ? "" : "s")\(tail)"
  }

  /// A number with three significant figures.
  private func number(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    if value == 0 { return "0" }
    if value >= 0.001, value < 1000 {
      return decimals(value, value < 0.01 ? 5 : value < 0.1 ? 4 : value < 10 ? 3 : 1)
    }
    var exponent = 0
    var mantissa = value
    while mantissa < 1 {
      mantissa *= 10
      exponent -= 1
    }
    while mantissa >= 10 {
      mantissa /= 10
      exponent += 1
    }
    return "\(decimals(mantissa, 2))e\(exponent)"
  }
}
