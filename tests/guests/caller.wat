;; A guest that calls its host as it is told, well or badly. A program is words of
;; one letter over a stack of numbers; what it prints is its standard output.
;;
;;   12    pushes a number          -     changes the sign of the last
;;   b     call_begin: name, its size, bytes, their size; pushes the answer
;;   w     call_wait: milliseconds (below 0: for ever), out; pushes the answer
;;   t     call_take: call, address, size; pushes the answer
;;   @     the word at an address   !     stores: address, word
;;   .     prints a number          p     prints bytes: address, size
;;   [ ]   does what is between so many times as the last number says
;;   f     loops for ever           d     drops the last
;;
;; 256 `progress`, 272 `display`, 288 `nothing`, 296 bytes that are no UTF-8;
;; 320 `{"message":"half","fraction":0.5}` (33 bytes); 400 `{"text":"shown"}` (16).
;; From 65536 on is what a program may use.
(module
  (import "belljar" "call_begin" (func $begin (param i32 i32 i32 i32) (result i32)))
  (import "belljar" "call_wait" (func $wait (param i64 i32) (result i32)))
  (import "belljar" "call_take" (func $take (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 32)
  (global (export "__stack_pointer") (mut i32) (i32.const 65536))
  (global (export "guest_interrupt") i32 (i32.const 128))
  ;; 16: where the stack ends. 24: what is written. 128: the interrupt block. 1024: the
  ;; reply. 2048: digits. 4096: the request. 36864: the stack. 49152: the loops.
  (data (i32.const 256) "progress")
  (data (i32.const 272) "display")
  (data (i32.const 288) "nothing")
  (data (i32.const 296) "\ff\fe")
  (data (i32.const 320) "{\"message\":\"half\",\"fraction\":0.5}")
  (data (i32.const 400) "{\"text\":\"shown\"}")
  (data (i32.const 1024) "{\"exit_code\":0,\"error\":null,\"outputs\":[],\"result\":null}")

  (func (export "guest_abi_version") (result i32) (i32.const ABI))

  (func (export "guest_alloc") (param $size i32) (result i32)
    (select (i32.const 4096) (i32.const 0) (i32.le_u (local.get $size) (i32.const 30000))))

  (func $push (param $value i32)
    (i32.store (i32.load (i32.const 16)) (local.get $value))
    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 4))))

  (func $pop (result i32)
    (i32.store (i32.const 16) (i32.sub (i32.load (i32.const 16)) (i32.const 4)))
    (i32.load (i32.load (i32.const 16))))

  (func $print (param $at i32) (param $size i32)
    (i32.store (i32.const 24) (local.get $at))
    (i32.store (i32.const 28) (local.get $size))
    (drop (call $write (i32.const 1) (i32.const 24) (i32.const 1) (i32.const 32))))

  ;; A number and a space.
  (func $print_number (param $value i32)
    (local $at i32) (local $rest i32)
    (local.set $at (i32.const 2080))
    (i32.store8 (local.get $at) (i32.const 32))
    (local.set $rest (local.get $value))
    (if (i32.lt_s (local.get $value) (i32.const 0))
      (then (local.set $rest (i32.sub (i32.const 0) (local.get $value)))))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $rest) (i32.const 10))))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (br_if $digit (local.get $rest)))
    (if (i32.lt_s (local.get $value) (i32.const 0))
      (then
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (i32.store8 (local.get $at) (i32.const 45))))
    (call $print (local.get $at) (i32.sub (i32.const 2081) (local.get $at))))

  ;; The request begins with `{"code":"`.
  (func (export "guest_run") (param $size i32) (result i64)
    (local $at i32) (local $c i32) (local $value i32) (local $one i32) (local $two i32) (local $three i32) (local $loops i32)
    (i32.store (i32.const 16) (i32.const 36864))
    (local.set $loops (i32.const 49152))
    (local.set $at (i32.const 4105))
    (block $end
      (loop $next
        (local.set $c (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $end (i32.eq (local.get $c) (i32.const 34)))
        ;; A number.
        (if (i32.le_u (i32.sub (local.get $c) (i32.const 48)) (i32.const 9))
          (then
            (local.set $value (i32.sub (local.get $c) (i32.const 48)))
            (block $done
              (loop $digit
                (local.set $c (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
                (br_if $done (i32.gt_u (local.get $c) (i32.const 9)))
                (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10)) (local.get $c)))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br $digit)))
            (call $push (local.get $value))
            (br $next)))
        (if (i32.eq (local.get $c) (i32.const 45)) ;; -
          (then (call $push (i32.sub (i32.const 0) (call $pop)))))
        (if (i32.eq (local.get $c) (i32.const 98)) ;; b
          (then
            (local.set $three (call $pop))
            (local.set $two (call $pop))
            (local.set $one (call $pop))
            (call $push (call $begin (call $pop) (local.get $one) (local.get $two) (local.get $three)))))
        (if (i32.eq (local.get $c) (i32.const 119)) ;; w
          (then
            (local.set $one (call $pop))
            (call $push
              (call $wait
                (i64.mul (i64.extend_i32_s (call $pop)) (i64.const 1000000))
                (local.get $one)))))
        (if (i32.eq (local.get $c) (i32.const 116)) ;; t
          (then
            (local.set $two (call $pop))
            (local.set $one (call $pop))
            (call $push (call $take (call $pop) (local.get $one) (local.get $two)))))
        (if (i32.eq (local.get $c) (i32.const 64)) ;; @
          (then (call $push (i32.load (call $pop)))))
        (if (i32.eq (local.get $c) (i32.const 33)) ;; !
          (then
            (local.set $one (call $pop))
            (i32.store (call $pop) (local.get $one))))
        (if (i32.eq (local.get $c) (i32.const 46)) ;; .
          (then (call $print_number (call $pop))))
        (if (i32.eq (local.get $c) (i32.const 112)) ;; p
          (then
            (local.set $one (call $pop))
            (call $print (call $pop) (local.get $one))))
        (if (i32.eq (local.get $c) (i32.const 100)) ;; d
          (then (drop (call $pop))))
        (if (i32.eq (local.get $c) (i32.const 91)) ;; [
          (then
            (i32.store (local.get $loops) (local.get $at))
            (i32.store offset=4 (local.get $loops) (call $pop))
            (local.set $loops (i32.add (local.get $loops) (i32.const 8)))))
        (if (i32.eq (local.get $c) (i32.const 93)) ;; ]
          (then
            (local.set $one (i32.sub (i32.load (i32.sub (local.get $loops) (i32.const 4))) (i32.const 1)))
            (i32.store (i32.sub (local.get $loops) (i32.const 4)) (local.get $one))
            (if (local.get $one)
              (then (local.set $at (i32.load (i32.sub (local.get $loops) (i32.const 8)))))
              (else (local.set $loops (i32.sub (local.get $loops) (i32.const 8)))))))
        (if (i32.eq (local.get $c) (i32.const 102)) ;; f
          (then (loop $for_ever (br $for_ever))))
        (br $next)))
    (i64.or (i64.shl (i64.const 1024) (i64.const 32)) (i64.const 55))))
