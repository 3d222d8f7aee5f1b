;; A guest that speaks the guest ABI and nothing else: a program is one letter
;; and a number.
;;
;;   aN  adds N to what it has counted       gN  grows its memory by N pages
;;   dN  calls itself N deep                 tN  writes to N of its 4 KiB pages
;;   lN  loops for ever
;;
;; The result is a number: the count, the pages it has, N. `ABI` is put in by
;; whoever assembles it.
(module
  (memory (export "memory") 32)
  (global (export "__stack_pointer") (mut i32) (i32.const 65536))
  (global (export "guest_interrupt") i32 (i32.const 128))
  ;; 64: the count. 128: the interrupt block. 1024: the reply. 4096: the request.
  ;; 65536: what is written to.
  (data (i32.const 512) "{\"exit_code\":0,\"error\":null,\"outputs\":[],\"result\":\"")
  (data (i32.const 640) "{\"exit_code\":1,\"outputs\":[],\"result\":null,\"error\":{\"name\":\"Full\",\"value\":\"\",\"traceback\":\"Full\\n\",\"cause\":\"memory\"}}")

  (func (export "guest_abi_version") (result i32) (i32.const ABI))

  (func (export "guest_alloc") (param $size i32) (result i32)
    (select (i32.const 4096) (i32.const 0) (i32.le_u (local.get $size) (i32.const 60000))))

  (func $deep (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1)))))
      (else (i32.const 0))))

  (func $touch (param $n i32)
    (local $at i32)
    (local.set $at (i32.const 65536))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
        (local.set $at (i32.add (local.get $at) (i32.const 4096)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))

  ;; The number at `at`, up to what is no digit.
  (func $number (param $at i32) (result i32)
    (local $value i32) (local $digit i32)
    (block $done
      (loop $next
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (br_if $done (i32.gt_u (local.get $digit) (i32.const 9)))
        (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10)) (local.get $digit)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $value))

  ;; Answers with a number.
  (func $answer (param $value i32) (result i64)
    (local $at i32) (local $rest i32)
    (memory.copy (i32.const 1024) (i32.const 512) (i32.const 51))
    (local.set $at (i32.const 1075))
    (local.set $rest (local.get $value))
    (loop $count
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (br_if $count (local.get $rest)))
    (i32.store16 (local.get $at) (i32.const 0x7d22))
    (local.set $rest (i32.add (local.get $at) (i32.const 2)))
    (loop $write
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
      (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
      (br_if $write (local.get $value)))
    (call $reply (i32.const 1024) (i32.sub (local.get $rest) (i32.const 1024))))

  (func $reply (param $at i32) (param $size i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $size))))

  ;; The request begins with `{"code":"`.
  (func (export "guest_run") (param $size i32) (result i64)
    (local $letter i32) (local $n i32)
    (local.set $letter (i32.load8_u (i32.const 4105)))
    (local.set $n (call $number (i32.const 4106)))
    (if (i32.eq (local.get $letter) (i32.const 97))
      (then
        (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (local.get $n)))
        (return (call $answer (i32.load (i32.const 64))))))
    (if (i32.eq (local.get $letter) (i32.const 103))
      (then
        (if (i32.eq (memory.grow (local.get $n)) (i32.const -1))
          (then (return (call $reply (i32.const 640) (i32.const 115)))))
        (return (call $answer (memory.size)))))
    (if (i32.eq (local.get $letter) (i32.const 100))
      (then (return (call $answer (call $deep (local.get $n))))))
    (if (i32.eq (local.get $letter) (i32.const 116))
      (then
        (call $touch (local.get $n))
        (return (call $answer (local.get $n)))))
    (if (i32.eq (local.get $letter) (i32.const 108))
      (then (loop $for_ever (br $for_ever))))
    (i64.const 0)))
