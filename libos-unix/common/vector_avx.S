    .macro COPY_GROUP at
    vmovups \at+0(%rsi, %rdx), %ymm0
    vmovups \at+32(%rsi, %rdx), %ymm1
    vmovups \at+64(%rsi, %rdx), %ymm2
    vmovups \at+96(%rsi, %rdx), %ymm3
    vmovups \at+128(%rsi, %rdx), %ymm4
    vmovups \at+160(%rsi, %rdx), %ymm5
    vmovups \at+192(%rsi, %rdx), %ymm6
    vmovups \at+224(%rsi, %rdx), %ymm7
    vmovups %ymm0, \at+0(%rdi, %rdx)
    vmovups %ymm1, \at+32(%rdi, %rdx)
    vmovups %ymm2, \at+64(%rdi, %rdx)
    vmovups %ymm3, \at+96(%rdi, %rdx)
    vmovups %ymm4, \at+128(%rdi, %rdx)
    vmovups %ymm5, \at+160(%rdi, %rdx)
    vmovups %ymm6, \at+192(%rdi, %rdx)
    vmovups %ymm7, \at+224(%rdi, %rdx)
    .endm

    .text
/*
 * uint64_t vector_copy_groups(target rdi, source rsi, groups rdx): of 256 bytes each. A fault between vector_copy_move and vector_copy_stop that
 * cannot be mended may go on at vector_copy_stop: then the result is not 0.
 */
    .globl vector_copy_groups, vector_copy_move, vector_copy_stop
vector_copy_groups:
    pushq %rbp
    movq %rsp, %rbp
    subq $256, %rsp
    vmovups %ymm0, 0(%rsp)
    vmovups %ymm1, 32(%rsp)
    vmovups %ymm2, 64(%rsp)
    vmovups %ymm3, 96(%rsp)
    vmovups %ymm4, 128(%rsp)
    vmovups %ymm5, 160(%rsp)
    vmovups %ymm6, 192(%rsp)
    vmovups %ymm7, 224(%rsp)
    shlq $8, %rdx
    addq %rdx, %rsi
    addq %rdx, %rdi
    negq %rdx
vector_copy_move:
    btl $8, %edx
    jnc 1f
    subq $256, %rdx /* an odd number: the first round has only its second half */
    jmp 2f
1:  COPY_GROUP 0
2:  COPY_GROUP 256
    addq $512, %rdx
    jnz 1b
vector_copy_stop:
    movq %rdx, %rax
    vmovups 0(%rsp), %ymm0
    vmovups 32(%rsp), %ymm1
    vmovups 64(%rsp), %ymm2
    vmovups 96(%rsp), %ymm3
    vmovups 128(%rsp), %ymm4
    vmovups 160(%rsp), %ymm5
    vmovups 192(%rsp), %ymm6
    vmovups 224(%rsp), %ymm7
    leave
    ret

/* void vector_clear_groups(target rdi, groups rsi): of 256 bytes each */
    .globl vector_clear_groups
vector_clear_groups:
    vmovups %ymm0, -40(%rsp)
    vxorps %ymm0, %ymm0, %ymm0
1:  .irp at, 0, 32, 64, 96, 128, 160, 192, 224
    vmovups %ymm0, \at(%rdi)
    .endr
    addq $256, %rdi
    decq %rsi
    jnz 1b
    vmovups -40(%rsp), %ymm0
    ret

/* uint64_t vector_find_group(words rdi, groups rsi): the first group of 16 words that are not all 0, or groups; four at once as long as they are */
    .globl vector_find_group
vector_find_group:
    vmovups %ymm0, -40(%rsp)
    xorl %eax, %eax
    subq $4, %rsi
    jb 2f
1:  vmovups 0(%rdi), %ymm0
    .irp at, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 480
    vorps \at(%rdi), %ymm0, %ymm0
    .endr
    vptest %ymm0, %ymm0
    jnz 2f
    addq $4, %rax
    addq $512, %rdi
    subq $4, %rsi
    jae 1b
2:  addq $4, %rsi
    jz 4f
3:  vmovups 0(%rdi), %ymm0
    vorps 32(%rdi), %ymm0, %ymm0
    vorps 64(%rdi), %ymm0, %ymm0
    vorps 96(%rdi), %ymm0, %ymm0
    vptest %ymm0, %ymm0
    jnz 4f
    incq %rax
    addq $128, %rdi
    decq %rsi
    jnz 3b
4:  vmovups -40(%rsp), %ymm0
    ret
    .section .note.GNU-stack, "", @progbits
