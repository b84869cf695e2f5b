//! What the drawings of the commands have in common: SVG for light and dark pages.

const STYLE: &str = "
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .end { text-anchor: end } .middle { text-anchor: middle }
  .ground { fill: #ffffff } .grid { stroke: #d1d9e0 }
  .pale { fill: #a9cbe8 } .strong { fill: #0a5ca8 }
  .roof { stroke: #57606a; fill: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ground { fill: #0d1117 } .grid { stroke: #333b45 }
    .pale { fill: #2c4d70 } .strong { fill: #69b1ff }
    .roof { stroke: #8b949e }
  }
";

/// A whole drawing: its title, what it shows in words, and what is drawn, on `width` by `height` pixels.
pub(crate) fn svg(title: &str, description: &str, [width, height]: [usize; 2], body: &str) -> String {
    let (title, description) = (escape(title), escape(description));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>{title}</title>\n<desc>{description}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"16\" y=\"28\">{title}</text>\n{body}</svg>\n"
    )
}

/// Text as XML holds it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\0'..='\u{1f}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_cannot_break_the_drawing() {
        assert_eq!(escape("a<b>&\u{7}.onnx"), "a&lt;b&gt;&amp;\u{fffd}.onnx");
    }
}
