public import Foundation
public import FileBytes

extension Tokenizer {
  /// The day that is written into prompts which have to be the same every day: the one that templates fall back to
  /// which ask for the day and are not told it.
  ///
  /// 26 July 2024, at noon in Greenwich; look it up with ``steadyTimeZone``.
  public static let steadyDate = Date(timeIntervalSince1970: 1_721_995_200)
  /// The time zone for ``steadyDate``.
  public static var steadyTimeZone: TimeZone { TimeZone(secondsFromGMT: 0) ?? .current }

  /// The model's chat template, read; `nil` if it has none.
  ///
  /// - Returns: The template, which knows the texts of the special tokens.
  /// - Throws: ``TokenizerError`` as ``ChatTemplate/init(_:bos:eos:)``.
  public func readChatTemplate() throws(TokenizerError) -> ChatTemplate? {
    guard let chatTemplate else { return nil }
    return try ChatTemplate(chatTemplate, bos: text(of: bos), eos: text(of: eos))
  }

  private func text(of token: Int32?) -> String {
    token.map { String(decoding: piece($0), as: UTF8.self) } ?? ""
  }

  /// The tokens that an assistant's answer to a conversation follows.
  ///
  /// The beginning-of-sequence token stands there once, whether the template or the vocabulary asks for it or both.
  ///
  /// - Parameters:
  ///   - messages: The messages, oldest first.
  ///   - template: The model's chat template.
  ///   - thinking: Whether the model is to think, where the template can say so.
  ///   - date: The day that templates write which write one.
  ///   - timeZone: Where the day is looked up; on this machine when `nil`.
  /// - Returns: The ids.
  /// - Throws: ``TokenizerError`` as ``ChatTemplate/render(_:addGenerationPrompt:thinking:date:timeZone:)``, and with
  ///   `notSupported` for a template that leaves out what the user or the system message says.
  public func encode(
    _ messages: [ChatMessage], template: ChatTemplate, thinking: ChatTemplate.Thinking = .modelDefault,
    date: Date = Date(), timeZone: TimeZone? = nil
  ) throws(TokenizerError) -> [Int32] {
    let text = try template.render(
      messages, addGenerationPrompt: true, thinking: thinking, date: date, timeZone: timeZone)
    let roles = Set(messages.map(\.role))
    for (role, isWritten) in [("user", template.writesUser), ("system", template.writesSystem)]
    where !isWritten && roles.contains(role) {
      throw TokenizerError(
        .notSupported,
        Fault(
          subject: "tokenizer.chat_template", expected: "a template that writes the \(role) message",
          found: "one that leaves it out",
          remedy: "write the prompt in the model's format yourself and give it with \(.rawPrompts)"))
    }
    let tokens = encode(text, addSpecial: false, parseSpecial: true)
    guard addBOS, let bos, tokens.first != bos else { return tokens }
    return [bos] + tokens
  }

  /// The tokens after which an answer is over: ``endOfGeneration``, and the token that the template ends answers with.
  ///
  /// - Parameter template: The model's chat template.
  /// - Returns: The ids.
  public func stopTokens(_ template: ChatTemplate) -> Set<Int32> {
    guard let text = template.textBehindAnswer(),
      let first = encode(text, addSpecial: false, parseSpecial: true).first, isControl(first), first != bos
    else { return endOfGeneration }
    return endOfGeneration.union([first])
  }
}
