internal import FileBytes
internal import GGUFFormat
internal import TensorTypes

/// Reads finished partial files back, as any consumer would, before they get their names.
struct SelfCheck {
  let plan: ConversionPlan

  /// Compares names, types, shapes and offsets in the files with the plan.
  ///
  /// - Throws: ``ConversionError`` with `selfCheckFailed`.
  func run() throws {
    for (index, file) in plan.files.enumerated() {
      let written: GGUFFile
      do {
        written = try GGUFFile(path: file.partialPath)
      } catch let error as GGUFError {
        throw failure(file, expected: "a readable GGUF", found: error.fault.description)
      }
      let expected = plan.tensors.filter { $0.file == index }
      guard written.tensors.count == expected.count else {
        throw failure(file, expected: "\(expected.count) tensors", found: "\(written.tensors.count)")
      }
      for (tensor, info) in zip(expected, written.tensors) {
        guard tensor.name == info.name, tensor.type == info.type,
          tensor.offset == written.dataStart + info.offset, tensor.byteCount == info.byteCount
        else {
          throw failure(
            file, subject: tensor.name,
            expected: "\(tensor.type.name), \(tensor.byteCount) bytes at \(tensor.offset)",
            found:
              "\(info.name), \(info.type.name), \(info.byteCount) bytes at \(written.dataStart + info.offset)"
          )
        }
      }
    }
  }

  private func failure(
    _ file: PlannedFile, subject: String = "", expected: String, found: String
  ) -> ConversionError {
    ConversionError(
      .selfCheckFailed,
      Fault(
        file: file.partialPath, subject: subject, expected: expected, found: found,
        remedy: "this is a defect of Pouch or of the disk; the file was not given its name"))
  }
}
