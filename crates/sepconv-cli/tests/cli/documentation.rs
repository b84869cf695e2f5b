//! Completion scripts and manual pages.

use crate::program::sepconv;

const COMMANDS: [&str; 19] = [
    "classify",
    "evaluate",
    "inspect",
    "bench",
    "compare",
    "profile",
    "tune",
    "machine",
    "quantize",
    "factorize",
    "compile",
    "train",
    "finetune",
    "export",
    "run",
    "serve",
    "models",
    "completions",
    "man",
];

#[test]
fn completions_know_every_command_and_option_in_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = sepconv(["completions", shell]);
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{shell}");
        for word in COMMANDS.iter().chain(&["calibration", "max-memory"]) {
            assert!(outcome.out.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(sepconv(["completions", "cmd"]).code, Some(2));
}

#[test]
fn manual_pages_describe_the_program_and_every_command() {
    let page = sepconv(["man"]);
    assert_eq!((page.code, page.err.as_str()), (Some(0), ""));
    assert!(page.out.contains(".TH sepconv 1"), "{}", page.out);
    for command in COMMANDS {
        assert!(page.out.contains(&format!("sepconv\\-{command}(1)")), "{command}: {}", page.out);
        let page = sepconv(["man", command]);
        assert!(page.out.contains(&format!(".TH sepconv-{command} 1")), "{command}: {}", page.out);
    }
    assert!(sepconv(["man", "quantize"]).out.contains("\\-\\-calibration"));
    let unknown = sepconv(["man", "quantise"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("quantize"), "{}", unknown.err);
}
