import FileBytes
import Foundation
import ModelEvaluation
import SVGAnalysis
import SVGRendering

/// Writes the files of a run.
enum OutputFolder {
  /// Makes sure that the folder is there.
  static func create(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw FileError(
        .cannotWrite,
        Fault(file: path, expected: "a folder that can be created", found: error.localizedDescription))
    }
  }

  /// Writes the harmless drawings as SVG and PNG, a folder for each column.
  static func writeDrawings(_ results: SVGResults, to folder: String, _ renderer: LibrsvgRenderer) throws {
    for (column, summary) in zip(results.cells, results.summaries) {
      let target = "\(folder)/drawings/\(SVGSummary.folderName(summary.label))"
      try create(target)
      for (cell, prompt) in zip(column, results.prompts) {
        guard let clean = cell?.analysis.sanitized else { continue }
        let path = "\(target)/\(prompt.id)"
        try Data(clean.text().utf8).write(to: URL(fileURLWithPath: path + ".svg"))
        guard cell?.analysis.image != nil,
          let image = try? renderer.render(clean, width: 256, height: 256)
        else { continue }
        try Data(image.png).write(to: URL(fileURLWithPath: path + ".png"))
      }
    }
  }
}
