import CheckpointConversion
import CommandSupport

/// Prints an inspection as text.
struct InspectionPrinter {
  let inspection: ModelInspection

  func print() {
    Standard.output("source        \(inspection.source)")
    Standard.output(
      "format        \(inspection.format), \(inspection.files.count) file(s), \(inspection.fileBytes) bytes")
    if let architecture = inspection.architecture { Standard.output("architecture  \(architecture)") }
    Standard.output(
      "tensors       \(inspection.tensorCount), \(inspection.tensorBytes) bytes, "
        + "\(decimals(inspection.bitsPerWeight, 3)) bits per weight")
    var parameters = "parameters    \(inspection.parameters)"
    if let active = inspection.activeParameters, active != inspection.parameters {
      parameters += ", \(active) active per token"
    }
    Standard.output(parameters)
    if !inspection.provenance.isEmpty {
      Standard.output("")
      Standard.output("provenance")
      let names = inspection.provenance.map { $0.key.dropFirst("pouch.".count) }
      let width = names.map(\.count).max() ?? 0
      for (name, entry) in zip(names, inspection.provenance) {
        Standard.output("  \(name)\(String(repeating: " ", count: width - name.count))  \(entry.value)")
      }
    }
    Standard.output("")
    PlanPrinter.printTotals("type", inspection.byType)
    Standard.output("")
    PlanPrinter.printTotals("role", inspection.byRole)
    if !inspection.metadata.isEmpty {
      Standard.output("")
      let width = inspection.metadata.map(\.key.count).max() ?? 0
      for entry in inspection.metadata {
        let key = entry.key + String(repeating: " ", count: width - entry.key.count)
        Standard.output("\(key)  \(entry.type)  \(entry.value)")
      }
    }
    if !inspection.tensors.isEmpty {
      Standard.output("")
      let width = inspection.tensors.map(\.name.count).max() ?? 0
      for tensor in inspection.tensors {
        let name = tensor.name + String(repeating: " ", count: width - tensor.name.count)
        let shape = tensor.shape.map(String.init).joined(separator: ", ")
        Standard.output("\(name)  \(tensor.type)  [\(shape)]  \(tensor.bytes) bytes at \(tensor.offset)")
      }
    }
    for warning in inspection.warnings { Standard.error("note: \(warning)") }
  }
}
