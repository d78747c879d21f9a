"""Loops over arrays: no classes, no allocation, no input or output. Arguments run parameters, inputs, state, outputs.

Glossary (shapes in brackets; suffix 1 = next step)

sizes   n units · k state vectors of n · m inputs · q parameters of a unit
        C channels · H horizons · L lags · F features
theta   (n, q)        parameters; row i belongs to unit i alone
x       (m,)          input of the cell
dt      scalar        time since the last step; 1 for a regular stream, unless the cell's time constants are seconds
s s1    (k, n)        state before and after a step; s[0] is what the readout sees
J       (k n, k n)    ∂s1/∂s; state (a, i) is row a n + i
D       (k, n, q)     ∂s1[a, i]/∂theta[i] with s held fixed
P       (k n, n, q)   influence: ds/dtheta through all time
B       (k n, m)      ∂s1/∂x
e       (n,)          ∂loss/∂s[0]; of a cell that shows several state vectors, of all of them in turn
delta   (k, n)        adjoint: ∂loss/∂s
grad    (n, q)        ∂loss/∂theta
f       (F,)          features of the readout
U d     (F, F), (F,)  covariance of the readout, P = U diag(d) Uᵀ; U[j] holds column j above the diagonal
K       (F,)          gain of a recursive least squares step
W       (H, C, F)     weights of the readout: one head a horizon and channel
keep    scalar        what a step leaves of older evidence: 2^(-elapsed / half-life)
"""
