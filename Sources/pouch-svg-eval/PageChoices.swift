import ModelEvaluation
import SVGAnalysis

/// Buttons that choose what is shown and in which order; style sheets do the work, so that the page runs nothing.
struct PageChoices {
  private let results: SVGResults
  private let order: [Int]

  /// Prepares the buttons.
  ///
  /// - Parameters:
  ///   - results: The drawings.
  ///   - order: The prompts as they stand on the page.
  init(_ results: SVGResults, order: [Int]) {
    self.results = results
    self.order = order
  }

  /// What distinguishes a prompt: the classes of its card.
  private enum Trait: String, CaseIterable {
    case differs, unmet, gated

    var title: String {
      switch self {
      case .differs: "drawings that differ"
      case .unmet: "a check not met"
      case .gated: "a gate failed"
      }
    }
  }

  private var tested: [Int] { results.summaries.indices.filter { results.summaries[$0].kind == .tested } }

  private func has(_ trait: Trait, _ prompt: Int) -> Bool {
    results.summaries.indices.contains { index in
      guard let cell = results.cells[index][prompt], results.summaries[index].kind != .floor else {
        return false
      }
      switch trait {
      case .differs: return results.summaries[index].kind != .base && !cell.isIdentical
      case .unmet: return cell.met.contains(false)
      case .gated: return !cell.analysis.failedGates.isEmpty
      }
    }
  }

  private func divergence(_ prompt: Int) -> Double {
    tested.compactMap { results.cells[$0][prompt]?.forced?.total }.map {
      $0.divergence / Double(max($0.count, 1))
    }.max() ?? 0
  }

  private var families: [String] { Set(results.prompts.map(\.family)).sorted() }

  /// Families are worth buttons where there are a few.
  private var shownFamilies: [String] { (2...12).contains(families.count) ? families : [] }

  /// The classes of a prompt's card.
  func classes(_ prompt: Int) -> String {
    (Trait.allCases.filter { has($0, prompt) }.map(\.rawValue)
      + shownFamilies.indices.filter { shownFamilies[$0] == results.prompts[prompt].family }.map {
        "family-\($0)"
      })
      .joined(separator: " ")
  }

  /// The places of a prompt's card in the other orders, as a style.
  var places: [Int: String] {
    let byLoss = results.prompts.indices.sorted { (divergence($1), $0) < (divergence($0), $1) }
    var places: [Int: String] = [:]
    for (place, prompt) in byLoss.enumerated() { places[prompt] = "--file:\(prompt);--loss:\(place)" }
    return places
  }

  /// The groups of buttons for the template.
  var groups: [[String: Any]] {
    guard results.prompts.count > 1 else { return [] }
    var groups = [
      Self.group(
        "Order", "order",
        ["worst first", "as in the file"] + (tested.isEmpty ? [] : ["largest SVG-KLD first"]))
    ]
    let traits = shownTraits.map { trait in
      "\(trait.title) (\(results.prompts.indices.count { has(trait, $0) }))"
    }
    if !traits.isEmpty {
      groups.append(Self.group("Show", "show", ["all (\(results.prompts.count))"] + traits))
    }
    if !shownFamilies.isEmpty {
      groups.append(Self.group("Kind", "family", ["all"] + shownFamilies))
    }
    let models = results.summaries.indices.filter { results.summaries[$0].kind != .floor }
    if models.count > 2 {
      groups.append([
        "legend": "Models",
        "buttons": models.map { index -> [String: Any] in
          [
            "type": "checkbox", "name": "choose-model-\(index)", "id": "choose-model-\(index)",
            "checked": true,
            "text": results.summaries[index].label,
          ]
        },
      ])
    }
    return groups
  }

  private var shownTraits: [Trait] {
    Trait.allCases.filter { trait in
      let count = results.prompts.indices.count { has(trait, $0) }
      return count > 0 && count < results.prompts.count
    }
  }

  private static func group(_ legend: String, _ name: String, _ texts: [String]) -> [String: Any] {
    [
      "legend": legend,
      "buttons": texts.enumerated().map { index, text -> [String: Any] in
        [
          "type": "radio", "name": "choose-\(name)", "id": "choose-\(name)-\(index)", "checked": index == 0,
          "text": text,
        ]
      },
    ]
  }

  /// The rules behind the buttons.
  var style: String {
    var rules = [
      "body:has(#choose-order-1:checked) .prompt{order:var(--file)}",
      "body:has(#choose-order-2:checked) .prompt{order:var(--loss)}",
    ]
    for (index, trait) in shownTraits.enumerated() {
      rules.append(
        "body:has(#choose-show-\(index + 1):checked) .prompt:not(.\(trait.rawValue)){display:none}")
    }
    for index in shownFamilies.indices {
      rules.append(
        "body:has(#choose-family-\(index + 1):checked) .prompt:not(.family-\(index)){display:none}")
    }
    for index in results.summaries.indices {
      rules.append("body:has(#choose-model-\(index):not(:checked)) figure.model-\(index){display:none}")
    }
    // A link from the contents leads to its prompt, whatever is chosen.
    rules.append("body .prompt:target{display:block!important}")
    return "\n" + rules.joined(separator: "\n")
  }
}
