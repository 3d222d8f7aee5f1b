//! What a guest image must and must not contain. Each rule is there because
//! the host copies, compares and resets a guest by its memory and its one
//! global alone, or because an instance pays for what it breaks.

use thiserror::Error;
use wasmparser::{
    BinaryReaderError, CompositeInnerType, Export, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef,
    ValType, Validator,
};

use crate::image::{ABI_VERSIONS, WASM_PAGE};

/// The module that a guest may import from.
const WASI: &str = "wasi_snapshot_preview1";
/// What else a guest may import, and the ABI version that first had it: the guest ABI
/// says what they do.
const OWN: [(&str, &str, u32); 4] = [
    ("belljar", "mode_set", 1),
    ("belljar", "call_begin", 2),
    ("belljar", "call_wait", 2),
    ("belljar", "call_take", 2),
];
/// The export that tells the ABI version.
const ABI_VERSION: &str = "guest_abi_version";

/// The most data segments of an image: instantiation costs time for each one, and
/// merged images have some dozens.
const MOST_SEGMENTS: u32 = 1_000;

/// Exports with the types that the guest ABI gives them.
const FUNCTIONS: [(&str, &[ValType], &[ValType]); 3] = [
    ("guest_abi_version", &[], &[ValType::I32]),
    ("guest_alloc", &[ValType::I32], &[ValType::I32]),
    ("guest_run", &[ValType::I32], &[ValType::I64]),
];

/// Globals with whether they are mutable.
const GLOBALS: [(&str, bool); 2] = [("__stack_pointer", true), ("guest_interrupt", false)];

/// Why a module cannot become an image.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The bytes are not a valid module.
    #[error("the module is not valid")]
    Invalid(#[from] BinaryReaderError),
    /// Merging segments or resetting a guest would be wrong.
    #[error("the instruction {0}, which changes state outside the memory")]
    Instruction(&'static str),
    /// The state of a guest is one memory.
    #[error("{0} memories; a guest has exactly one")]
    Memories(usize),
    /// The host could not save this global.
    #[error("mutable global {0} is not exported")]
    HiddenGlobal(u32),
    /// An image was initialised when it was built.
    #[error("a start function, which would run in every instance")]
    Start,
    /// The host does not know what such a guest means.
    #[error("guest_abi_version does not return a constant from {} to {}", ABI_VERSIONS.start(), ABI_VERSIONS.end())]
    Abi,
    /// Each segment costs every instance.
    #[error("{0} data segments; at most {MOST_SEGMENTS} are allowed")]
    Segments(u32),
    /// Guests get WASI and what the guest ABI adds to it.
    #[error("import of {module}.{name}; only functions of {WASI} and those that its ABI has are allowed")]
    Import {
        /// The module it names.
        module: String,
        /// The item it names.
        name: String,
    },
    /// The guest ABI wants this export.
    #[error("no export {0} of the type that the guest ABI gives it")]
    Export(&'static str),
}

/// What is true of an image that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The ABI version that it speaks.
    pub abi: u32,
    /// What its memory starts with.
    pub initial_bytes: u64,
}

/// Checks the instructions, before any work is put into the module.
///
/// # Errors
///
/// Returns the first rule that the code breaks.
pub fn check_code(module: &[u8]) -> Result<(), Refusal> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionEntry(body) = payload? {
            let mut operators = body.get_operators_reader()?;
            while !operators.eof() {
                if let Some(name) = forbidden(&operators.read()?) {
                    return Err(Refusal::Instruction(name));
                }
            }
        }
    }
    Ok(())
}

fn forbidden(operator: &Operator<'_>) -> Option<&'static str> {
    Some(match operator {
        Operator::MemoryInit { .. } => "memory.init",
        Operator::DataDrop { .. } => "data.drop",
        Operator::TableSet { .. } => "table.set",
        Operator::TableGrow { .. } => "table.grow",
        Operator::TableCopy { .. } => "table.copy",
        Operator::TableInit { .. } => "table.init",
        Operator::TableFill { .. } => "table.fill",
        Operator::ElemDrop { .. } => "elem.drop",
        _ => return None,
    })
}

/// Checks a whole image.
///
/// # Errors
///
/// Returns the first rule that the image breaks.
pub fn check(module: &[u8]) -> Result<Checked, Refusal> {
    check_code(module)?;
    // The validator knows the types that the sections only refer to.
    let types = Validator::new().validate_all(module)?;
    let types = types.as_ref();
    let mut exports: Vec<Export<'_>> = Vec::new();
    let (mut segments, mut imports, mut bodies) = (0, Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ExportSection(reader) => {
                exports = reader.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    imports.push(import?);
                }
            }
            Payload::StartSection { .. } => return Err(Refusal::Start),
            Payload::CodeSectionEntry(body) => bodies.push(body),
            Payload::DataSection(reader) => segments = reader.count(),
            _ => {}
        }
    }
    if segments > MOST_SEGMENTS {
        return Err(Refusal::Segments(segments));
    }
    if types.memory_count() != 1 {
        return Err(Refusal::Memories(types.memory_count() as usize));
    }
    let find = |name: &str, kind: ExternalKind| {
        exports.iter().find(|export| export.name == name && export.kind == kind).map(|export| export.index)
    };
    find("memory", ExternalKind::Memory).ok_or(Refusal::Export("memory"))?;
    for (name, parameters, results) in FUNCTIONS {
        let index = find(name, ExternalKind::Func).ok_or(Refusal::Export(name))?;
        let ty = types.get(types.core_function_at(index)).map(|ty| &ty.composite_type.inner);
        let matches = matches!(ty, Some(CompositeInnerType::Func(ty))
            if ty.params() == parameters && ty.results() == results);
        if !matches {
            return Err(Refusal::Export(name));
        }
    }
    for (name, mutable) in GLOBALS {
        let index = find(name, ExternalKind::Global).ok_or(Refusal::Export(name))?;
        let ty = types.global_at(index);
        if ty.mutable != mutable || ty.content_type != ValType::I32 {
            return Err(Refusal::Export(name));
        }
    }
    for index in 0..types.global_count() {
        let exported = exports.iter().any(|export| export.kind == ExternalKind::Global && export.index == index);
        if types.global_at(index).mutable && !exported {
            return Err(Refusal::HiddenGlobal(index));
        }
    }
    let asked = find(ABI_VERSION, ExternalKind::Func).ok_or(Refusal::Export(ABI_VERSION))? as usize;
    let body = asked.checked_sub(imports.len()).and_then(|index| bodies.get(index)).ok_or(Refusal::Abi)?;
    let abi = constant(body)?.filter(|abi| ABI_VERSIONS.contains(abi)).ok_or(Refusal::Abi)?;
    for import in imports {
        let is_known = |(module, name, since): &(&str, &str, u32)| {
            import.module == *module && import.name == *name && *since <= abi
        };
        let is_allowed = import.module == WASI || OWN.iter().any(is_known);
        if !is_allowed || !matches!(import.ty, TypeRef::Func(_)) {
            return Err(Refusal::Import { module: import.module.to_owned(), name: import.name.to_owned() });
        }
    }
    let initial_bytes = types.memory_at(0).initial.saturating_mul(WASM_PAGE);
    Ok(Checked { abi, initial_bytes })
}

/// The number that a function returns without doing anything else.
fn constant(body: &FunctionBody<'_>) -> Result<Option<u32>, Refusal> {
    let mut operators = body.get_operators_reader()?;
    let Operator::I32Const { value } = operators.read()? else { return Ok(None) };
    Ok(matches!(operators.read()?, Operator::End).then_some(value.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, ConstExpr, DataCountSection, DataSection, EntityType, ExportKind, ExportSection, Function,
        FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction, MemorySection, MemoryType, Module,
        StartSection, TypeSection, ValType as Encoded,
    };

    use super::*;
    use crate::{Catalogue, Kind, unpack};

    /// A module that keeps every rule, with what a test changes about it.
    struct Guest {
        import_from: &'static str,
        import: &'static str,
        memories: u32,
        run_result: Encoded,
        hidden_global: bool,
        segments: u32,
        abi: i32,
        start: bool,
        instruction: Option<Instruction<'static>>,
    }

    impl Default for Guest {
        fn default() -> Self {
            Guest {
                import_from: WASI,
                import: "sched_yield",
                memories: 1,
                run_result: Encoded::I64,
                hidden_global: false,
                segments: 1,
                abi: 1,
                start: false,
                instruction: None,
            }
        }
    }

    impl Guest {
        fn check(self) -> Result<Checked, Refusal> {
            let mut types = TypeSection::new();
            types.ty().function([], []);
            types.ty().function([], [Encoded::I32]);
            types.ty().function([Encoded::I32], [Encoded::I32]);
            types.ty().function([Encoded::I32], [self.run_result]);
            let mut imports = ImportSection::new();
            imports.import(self.import_from, self.import, EntityType::Function(1));
            let mut functions = FunctionSection::new();
            functions.function(1).function(2).function(3).function(0);
            let mut memories = MemorySection::new();
            for _ in 0..self.memories {
                memories.memory(MemoryType {
                    minimum: 1,
                    maximum: None,
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
            }
            let mut globals = GlobalSection::new();
            let global = |mutable| GlobalType { val_type: Encoded::I32, mutable, shared: false };
            globals.global(global(true), &ConstExpr::i32_const(1024));
            globals.global(global(false), &ConstExpr::i32_const(16));
            if self.hidden_global {
                globals.global(global(true), &ConstExpr::i32_const(0));
            }
            let mut exports = ExportSection::new();
            exports
                .export("memory", ExportKind::Memory, 0)
                .export("guest_abi_version", ExportKind::Func, 1)
                .export("guest_alloc", ExportKind::Func, 2)
                .export("guest_run", ExportKind::Func, 3)
                .export("__stack_pointer", ExportKind::Global, 0)
                .export("guest_interrupt", ExportKind::Global, 1);
            let mut code = CodeSection::new();
            let mut body = Function::new([]);
            body.instruction(&Instruction::I32Const(self.abi)).instruction(&Instruction::End);
            code.function(&body);
            for _ in 0..2 {
                let mut body = Function::new([]);
                body.instruction(&Instruction::Unreachable).instruction(&Instruction::End);
                code.function(&body);
            }
            let mut body = Function::new([]);
            if let Some(instruction) = &self.instruction {
                body.instruction(&Instruction::Unreachable).instruction(instruction);
            }
            body.instruction(&Instruction::End);
            code.function(&body);
            let mut data = DataSection::new();
            for _ in 0..self.segments {
                data.active(0, &ConstExpr::i32_const(0), *b"x");
            }
            let mut module = Module::new();
            module
                .section(&types)
                .section(&imports)
                .section(&functions)
                .section(&memories)
                .section(&globals)
                .section(&exports);
            if self.start {
                module.section(&StartSection { function_index: 4 });
            }
            module.section(&DataCountSection { count: self.segments }).section(&code).section(&data);
            check(&module.finish())
        }
    }

    #[test]
    fn a_guest_that_keeps_the_rules_is_accepted_in_every_abi_that_there_is() {
        for abi in ABI_VERSIONS {
            let checked = Guest { abi: abi.cast_signed(), ..Guest::default() }.check().unwrap();
            assert_eq!(checked, Checked { abi, initial_bytes: 65_536 });
            // An import that came with a version is there from then on.
            let own = Guest { abi: abi.cast_signed(), import_from: "belljar", ..Guest::default() };
            assert!(matches!(own.check(), Err(Refusal::Import { .. })), "it has no sched_yield");
        }
        for abi in [0, 3, -1] {
            let refusal = Guest { abi, ..Guest::default() }.check();
            assert!(matches!(refusal, Err(Refusal::Abi)), "{refusal:?}");
            assert!(Refusal::Abi.to_string().ends_with("a constant from 1 to 2"));
        }
    }

    #[test]
    fn a_start_function_is_refused() {
        let refusal = Guest { start: true, ..Guest::default() }.check();
        assert!(matches!(refusal, Err(Refusal::Start)), "{refusal:?}");
    }

    #[test]
    fn the_images_of_this_build_keep_the_rules_and_are_as_described() {
        for runtime in Catalogue::built_in().iter() {
            let Kind::Wasm(image) = runtime.kind() else { continue };
            let module = unpack(&image.compressed().unwrap(), image.digest()).unwrap();
            let described = Checked { abi: image.abi(), initial_bytes: image.instance().initial_bytes };
            assert_eq!(check(&module).unwrap(), described, "{}", runtime.id());
        }
    }

    #[test]
    fn instructions_with_hidden_state_are_refused() {
        for (instruction, name) in [
            (Instruction::MemoryInit { mem: 0, data_index: 0 }, "memory.init"),
            (Instruction::DataDrop(0), "data.drop"),
        ] {
            let refusal = Guest { instruction: Some(instruction), ..Guest::default() }.check();
            assert!(matches!(refusal, Err(Refusal::Instruction(found)) if found == name), "{refusal:?}");
        }
    }

    #[test]
    fn other_imports_are_refused() {
        let refusal = Guest { import_from: "env", ..Guest::default() }.check();
        assert!(matches!(refusal, Err(Refusal::Import { .. })), "{refusal:?}");
    }

    #[test]
    fn what_a_version_brought_is_refused_to_those_before_it() {
        let check = |abi, import| Guest { abi, import_from: "belljar", import, ..Guest::default() }.check();
        for (_, import, since) in OWN {
            for abi in ABI_VERSIONS {
                let checked = check(abi.cast_signed(), import);
                match checked {
                    Ok(_) => assert!(abi >= since, "{import} in ABI {abi}"),
                    Err(Refusal::Import { name, .. }) => {
                        assert!(abi < since && name == import, "{import} in ABI {abi}")
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
        assert!(check(1, "call_begin").is_err() && check(2, "call_begin").is_ok());
    }

    #[test]
    fn a_second_memory_is_refused() {
        let refusal = Guest { memories: 2, ..Guest::default() }.check();
        assert!(matches!(refusal, Err(Refusal::Memories(2))), "{refusal:?}");
    }

    #[test]
    fn a_wrong_type_is_refused() {
        let refusal = Guest { run_result: Encoded::I32, ..Guest::default() }.check();
        assert!(matches!(refusal, Err(Refusal::Export("guest_run"))), "{refusal:?}");
    }

    #[test]
    fn a_global_that_cannot_be_saved_is_refused() {
        let refusal = Guest { hidden_global: true, ..Guest::default() }.check();
        assert!(matches!(refusal, Err(Refusal::HiddenGlobal(2))), "{refusal:?}");
    }

    #[test]
    fn many_segments_are_refused() {
        assert!(Guest { segments: MOST_SEGMENTS, ..Guest::default() }.check().is_ok());
        let refusal = Guest { segments: MOST_SEGMENTS + 1, ..Guest::default() }.check();
        assert!(matches!(refusal, Err(Refusal::Segments(_))), "{refusal:?}");
    }
}
