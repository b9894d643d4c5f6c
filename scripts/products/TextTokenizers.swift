import Foundation
import TextTokenizers

/// Reads the tokenizer of a checkpoint.
func tokenizer(_ folder: String) throws -> Tokenizer {
  let vocabulary = try VocabularyMetadata(folder: folder, style: .bytePairs, vocabularySize: nil)
  print(vocabulary.tokenCount, vocabulary.notes)
  return try Tokenizer(metadata: vocabulary.entries)
}

/// Encodes a text and decodes its tokens, one after the other.
func roundTrip(_ text: String, _ tokenizer: Tokenizer) -> String {
  let tokens = tokenizer.encode(text, addSpecial: tokenizer.addBOS, parseSpecial: false)
  precondition(tokenizer.decode(tokens, removeSpecial: true) == text)
  var decoder = StreamingDecoder(tokenizer)
  return tokens.map { decoder.append($0) }.joined() + decoder.finish()
}

/// Writes a prompt.
func prompt(_ question: String, _ tokenizer: Tokenizer) throws -> [Int32] {
  let messages = [ChatMessage(role: "user", content: question)]
  guard let template = try tokenizer.readChatTemplate() else { return [] }
  print(
    try template.render(messages, addGenerationPrompt: true, thinking: .off), tokenizer.stopTokens(template))
  return try tokenizer.encode(messages, template: template, date: Tokenizer.steadyDate)
}

/// Says what is wrong with a tokenizer.
func reason(_ metadata: [MetadataEntry]) -> String? {
  do throws(TokenizerError) {
    print(try Tokenizer(metadata: metadata).vocabularySize)
    return nil
  } catch {
    return error.code == .missing ? error.fault.subject.description : error.description
  }
}
