import CommandSupport
import Foundation
import OutputValidation

/// Prints how two models differ.
struct DifferencePrinter {
  let difference: ModelDifference

  func print() {
    Standard.output("first     \(difference.first)")
    Standard.output("second    \(difference.second)")
    Standard.output(
      "metadata  \(difference.equalKeys) keys equal, \(difference.keys.count) differ"
        + (difference.keyOrderDiffers ? ", in another order" : ""))
    Standard.output(
      "tensors   \(difference.equalTensors) equal, \(difference.tensors.count) differ, "
        + "\(difference.onlyInFirst.count) only in the first, \(difference.onlyInSecond.count) only in the second"
        + (difference.orderDiffers ? ", in another order" : ""))
    for key in difference.keys {
      Standard.output("")
      Standard.output(plain(key.key))
      Standard.output("  first   \(plain(key.first ?? "no such key"))")
      Standard.output("  second  \(plain(key.second ?? "no such key"))")
    }
    for (names, title) in [
      (difference.onlyInFirst, "only in the first"), (difference.onlyInSecond, "only in the second"),
    ]
    where !names.isEmpty {
      Standard.output("")
      Standard.output("\(title):")
      for name in names { Standard.output("  \(plain(name))") }
    }
    if !difference.rearranged.isEmpty {
      Standard.output("")
      Standard.output("arranged otherwise, and compared part by part:")
      for item in difference.rearranged {
        Standard.output(
          "  " + plain(item.first.joined(separator: " + ")) + "  in the second: "
            + plain(item.second.joined(separator: " + ")))
      }
    }
    for tensor in difference.tensors { describe(tensor) }
    if difference.isEmpty { Standard.output("no difference") }
  }

  private func describe(_ tensor: ModelDifference.Tensor) {
    Standard.output("")
    Standard.output(
      "\(plain(tensor.name))  \(tensor.first == tensor.second ? tensor.first : tensor.first + " and " + tensor.second)"
    )
    if tensor.shapesDiffer { return }
    if let error = tensor.relativeError {
      let share = Double(tensor.differingValues) / Double(max(1, tensor.values)) * 100
      Standard.output(
        "  \(tensor.differingValues) of \(tensor.values) values differ (\(decimals(share, 2)) %), relative error "
          + "\(short(error)), largest difference \(short(tensor.largestDifference ?? 0))")
    } else if tensor.typesDiffer {
      Standard.output("  values not compared: a type that cannot be decoded")
    } else {
      Standard.output("  about \(tensor.differingValues) of \(tensor.values) values differ")
    }
    if let first = tensor.firstDifference { Standard.output("  first: \(first)") }
    guard tensor.expertCount > 1 else { return }
    let worst = tensor.experts.sorted { ($0.relativeError ?? 0) > ($1.relativeError ?? 0) }.prefix(6)
    let list = worst.map { expert in
      "\(expert.expert)" + (expert.relativeError.map { " (\(short($0)))" } ?? "")
    }
    Standard.output(
      "  \(tensor.experts.count) of \(tensor.expertCount) experts differ"
        + (list.isEmpty ? "" : ", most: " + list.joined(separator: ", ")))
  }

  private func short(_ value: Double) -> String {
    value.isFinite ? String(format: "%.3g", value) : "\(value)"
  }

  /// Names come from files; they must not break lines or drive the terminal.
  private func plain(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
  }
}
