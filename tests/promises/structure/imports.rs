//! Which source file imports from which, as far as the text says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Names from the root of a crate to a module.
type Module = Vec<String>;

/// The files of one crate.
pub struct Imports {
    /// Text by module, without comments and tests.
    files: BTreeMap<Module, String>,
    /// What each module imports or exports again: the name, and the path that it stands for.
    names: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

impl Imports {
    /// Reads the crate whose root is in this folder.
    pub fn read(root: &Path) -> Self {
        let mut found = Vec::new();
        super::sources(root, &mut found);
        let mut files = BTreeMap::new();
        for path in found {
            let relative = path.strip_prefix(root).unwrap().with_extension("");
            let mut module: Module = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module.iter().any(|part| part == "tests" || part == "testing") {
                continue;
            }
            if module == ["lib"] || module == ["main"] {
                module.clear();
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let is_code = |line: &&str| !line.trim_start().starts_with("//");
            let text: Vec<&str> = text.lines().filter(is_code).collect();
            files.entry(module).or_insert_with(String::new).push_str(&text.join("\n"));
        }
        let names = files
            .iter()
            .map(|(module, text)| {
                let paths = uses(text).into_iter();
                let named = paths.map(|(mut path, alias)| {
                    if path.last().is_some_and(|last| last == "self") {
                        path.pop();
                    }
                    (alias.or_else(|| path.last().cloned()).unwrap_or_default(), path)
                });
                (module.clone(), named.collect())
            })
            .collect();
        Self { files, names }
    }

    /// The file that a path in this module leads to: where the name is defined, whichever module exports it.
    fn target(&self, from: &[String], path: &[String], depth: usize) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (Module::new(), rest),
            "self" => (from.to_vec(), rest),
            "super" => (from.split_last()?.1.to_vec(), rest),
            _ => (from.to_vec(), path),
        };
        while let Some((next, further)) = rest.split_first() {
            if next == "super" {
                at.pop();
            } else {
                let child: Module = at.iter().chain([next]).cloned().collect();
                // A file that `#[path]` mounts has its modules beside it.
                let beside: Module = at
                    .split_last()
                    .map_or(&[][..], |(_, folder)| folder)
                    .iter()
                    .chain([next])
                    .cloned()
                    .collect();
                let declares = |text: &String| text.contains(&format!("mod {next};"));
                if !self.files.contains_key(&child)
                    && self.files.contains_key(&beside)
                    && self.files.get(&at).is_some_and(declares)
                {
                    at = beside;
                    rest = further;
                    continue;
                }
                if !self.files.contains_key(&child) {
                    let again = self.names.get(&at)?.get(next);
                    return match again {
                        Some(path) if depth < 8 => self.target(&at, path, depth + 1).or(Some(at)),
                        _ => Some(at),
                    };
                }
                at = child;
            }
            rest = further;
        }
        Some(at)
    }

    /// The files that each imports from. A file and those below it in the tree are one thing: a module may use what it is made of, and
    /// its parts what it defines.
    fn arrows(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let of_file = |(from, text): (&'_ Module, &String)| {
            let used = uses(text).into_iter().map(|(path, _)| path);
            let targets = used.chain(inline(text)).filter(|path| is_local(path));
            let apart = |to: &Module| !to.starts_with(from) && !from.starts_with(to);
            targets.filter_map(|path| self.target(from, &path, 0)).filter(apart).collect()
        };
        self.files.iter().map(|(from, text)| (from, of_file((from, text)))).collect()
    }

    /// Files that import each other in a circle, each with the next one.
    pub fn circles(&self) -> Vec<String> {
        let arrows = self.arrows();
        let reach = |from: &Module| {
            let (mut reached, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(at) = open.pop() {
                for to in arrows.get(&at).into_iter().flatten() {
                    if reached.insert(to.clone()) {
                        open.push(to.clone());
                    }
                }
            }
            reached
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> =
            arrows.keys().map(|from| (*from, reach(from))).collect();
        let mut circles = Vec::new();
        for (from, targets) in &arrows {
            for to in targets.iter().filter(|to| reached.get(to).is_some_and(|back| back.contains(*from))) {
                circles.push(format!("{} imports from {}", from.join("/"), to.join("/")));
            }
        }
        circles
    }
}

fn is_local(path: &[String]) -> bool {
    path.first().is_some_and(|first| ["crate", "super", "self"].contains(&first.as_str()))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths of all `use` items, with their aliases.
pub fn uses(text: &str) -> Vec<(Vec<String>, Option<String>)> {
    let mut found = Vec::new();
    let starts = text.match_indices("use ").filter(|(at, _)| {
        let line = text[..*at].rsplit('\n').next().unwrap().trim_start();
        line.is_empty() || line.starts_with("pub")
    });
    for (at, _) in starts {
        let item = text[at + 4..].split(';').next().unwrap();
        expand(&[], &item.replace(['\n', ' '], " "), &mut found);
    }
    found
}

/// A tree of paths, as the paths in it.
fn expand(before: &[String], tree: &str, found: &mut Vec<(Vec<String>, Option<String>)>) {
    let (path, list) = tree.split_once('{').map_or((tree, None), |(path, list)| (path, Some(list)));
    let (path, alias) = path.split_once(" as ").map_or((path, None), |(path, alias)| (path, Some(alias)));
    let names = path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let path: Vec<String> = before.iter().cloned().chain(names).collect();
    let Some(list) = list else {
        found.push((path, alias.map(|alias| alias.trim().to_owned())));
        return;
    };
    let (mut depth, mut start) = (0, 0);
    let list = &list[..list.rfind('}').unwrap_or(list.len())];
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            if !list[start..at].trim().is_empty() {
                expand(&path, &list[start..at], found);
            }
            start = at + 1;
        }
    }
}

/// Paths from `crate` or `super` in the code itself.
fn inline(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for word in text.split(|c: char| !is_name(c) && c != ':') {
        let path: Vec<String> = word.split("::").map(str::to_owned).collect();
        if path.len() > 1 && is_local(&path) && !path.contains(&String::new()) {
            found.push(path);
        }
    }
    found
}
