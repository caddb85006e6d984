/* examples.js - formulas to begin with, each for what it shows. Published ones say where their
   numbers stand. */

export const examples = [
  {
    name: "A fork: gradients add",
    text: "e = (a + b)*(b + 1)",
    values: [2, 1],
    says:
      "b moves e along two ways. Step through it: at b the two contributions add. Why? Because " +
      "both ways move e.",
  },
  {
    name: "CS231n: three gates",
    text: "q = x + y; f = q*z",
    values: [-2, 5, -4],
    says:
      "From Stanford's course notes: a sum hands its gradient on as it is, a product swaps " +
      "its factors.",
  },
  {
    name: "CS231n: a sigmoid neuron",
    text: "s = w0*x0 + w1*x1 + w2; f = 1/(1 + exp(-s))",
    values: [2, -1, -3, -2, -3],
    says: "From the same notes: the result is 0.73, and df/ds = 0.73*(1 - 0.73) = 0.20.",
  },
  {
    name: "Karpathy's micrograd",
    text:
      "c = a + b; d = a*b + b^3; c2 = c + c + 1; c3 = c2 + 1 + c2 + (-a); d2 = d + d*2 + " +
      "relu(b + a); d3 = d2 + 3*d2 + relu(b - a); e = c3 - d3; f = e^2; g = f/2; h = g + 10/f",
    values: [-4, 2],
    says:
      "The example on micrograd's page: its result is 24.7041, dg/da = 138.8338, dg/db = " +
      "645.5773.",
  },
  {
    name: "Mazur's network, 2-2-2",
    text:
      "h1 = sigmoid(w1*i1 + w2*i2 + b1); h2 = sigmoid(w3*i1 + w4*i2 + b1); o1 = " +
      "sigmoid(w5*h1 + w6*h2 + b2); o2 = sigmoid(w7*h1 + w8*h2 + b2); E = 0.5*(t1 - o1)^2 + " +
      "0.5*(t2 - o2)^2",
    values: {
      w1: 0.15,
      w2: 0.2,
      w3: 0.25,
      w4: 0.3,
      w5: 0.4,
      w6: 0.45,
      w7: 0.5,
      w8: 0.55,
      i1: 0.05,
      i2: 0.1,
      b1: 0.35,
      b2: 0.6,
      t1: 0.01,
      t2: 0.99,
    },
    says: "Matt Mazur's worked example: E = 0.298371109, dE/dw5 = 0.082167041.",
  },
  {
    name: "One neuron that learns",
    text: "h = tanh(w*x + b); loss = (h - t)^2",
    values: [0.5, 2, -1, 1],
    says:
      "The loss says how far off h is from the target t; its gradients say how w and b " +
      "should move.",
  },
  {
    name: "A box used before it is complete",
    text: "u = a*b; e = u*sin(u)",
    values: [2, 0.5],
    says:
      "u gets a gradient from e and another from sin(u). With the bug depth-first it passes on " +
      "the first before the second has come.",
  },
  {
    name: "A saturated sigmoid",
    text: "y = sigmoid(w*x)",
    values: [10, 3],
    says:
      "Far out the sigmoid is flat: what comes back is multiplied by nearly 0, and w " +
      "hardly learns.",
  },
  {
    name: "The where trick",
    text: "y = x > 0 ? sqrt(x) : 0",
    values: [0],
    says:
      "At 0 the slope of a square root is infinite. What is chosen not to count must " +
      "receive nothing, not 0 times infinity.",
  },
  {
    name: "A kink",
    text: "y = relu(x) - relu(-x)",
    values: [0],
    says:
      "y is x, and its slope is 1 everywhere. At 0 the rules of two relus say 0: " +
      "differences find it out.",
  },
  {
    name: "Too small a difference",
    text: "y = (1 - cos(x))/x^2",
    values: [1e-7],
    says: "Look at the V below: near 0 the subtraction cancels, and differences drown in rounding.",
  },
];

const named = name => examples.find(e => e.name === name);
/* One whose differences make a V, and one that each bug hurts. */
export const bending = named("One neuron that learns");
export const hurting = named("A box used before it is complete");
