// An explanation as somebody reads it: what was decided, what else was considered, and what stood in its way.

import type { Explained, Step, Truth } from './server.ts'

/** What a placement shows, in a word. */
export type Outcome = 'shown' | 'control' | 'default' | 'held out' | 'not agreed' | 'shown enough' | 'left out' | 'paused' | 'broken'

export interface Considered {
  experience: string
  /** What became of it. */
  fate: 'won' | 'outranked' | 'stopped'
  /** Why, in one line. */
  why: string
  gates: Gate[]
}

/** One thing that an experience has to pass, with the parts of its rule. */
export interface Gate {
  stage: string
  text: string
  truth: Truth | undefined
  validUntil: string | undefined
  parts: Part[]
}

/** A part of a rule, so many levels down. */
export interface Part {
  depth: number
  text: string
  truth: Truth | undefined
}

export interface Story {
  outcome: Outcome
  sentence: string
  considered: Considered[]
  /** What is known of the person, whatever is considered. */
  person: Gate[]
}

const OUTCOMES: Record<string, [Outcome, string]> = {
  targeting_match: ['shown', 'They may see it, and nothing came before it.'],
  split: ['shown', 'They may see it, nothing came before it, and this variant was drawn for them.'],
  default: ['default', 'No experience is for them now, so the default stays.'],
  holdout: ['held out', 'They are kept out of it for comparison, so the default stays.'],
  no_consent: ['not agreed', 'What they agreed to does not allow it, so the default stays.'],
  frequency_cap: ['shown enough', 'It was shown to them often enough already, so the default stays.'],
  excluded: ['left out', 'They would qualify, but something keeps it from them, so the default stays.'],
  paused: ['paused', 'It is paused, so the default stays.'],
  error: ['broken', 'The placement or its content is broken or unknown.'],
}

export function storyOf(decision: Explained): Story {
  const { explanation } = decision
  const [outcome, sentence] = OUTCOMES[decision.reason] ?? ['default', decision.reason]
  // A variant without content of its own is what the others are compared with.
  const isControl = outcome === 'shown' && !explanation.some(({ stage, experience }) => stage === 'content' && experience)
  const isForced = explanation.some(({ stage, text }) => stage === 'variant' && text.includes('as the preview asks'))
  return {
    outcome: isControl ? 'control' : outcome,
    sentence: isForced ? 'The preview asks for it, whatever else is said below.'
      : isControl ? 'They take part, and are shown the page as it is, to compare the other variants with.' : sentence,
    considered: consideredOf(decision),
    person: gatesOf(explanation.filter(({ experience, stage }) => !experience && KNOWN.has(stage))),
  }
}

const KNOWN = new Set(['event', 'identity', 'consent', 'audience'])
/** What is told of the winner alone. */
const AWARDED = new Set(['arbitration', 'holdout', 'variant', 'content', 'record'])

function consideredOf({ explanation, experience: shown }: Explained): Considered[] {
  const keys = [...new Set(explanation.flatMap(({ experience }) => experience ?? []))]
  const won = shown ?? explanation.find(({ stage, experience }) => stage === 'arbitration' && experience)?.experience
  return keys.map((experience) => {
    const gates = gatesOf(explanation.filter((step) => step.experience === experience))
    const stopped = gates.find(({ stage, truth }) => truth && truth !== 'true' && !AWARDED.has(stage))
    if (experience === won) return { experience, fate: 'won', why: whyWon(gates), gates }
    if (stopped) return { experience, fate: 'stopped', why: whyNot(stopped), gates }
    return { experience, fate: 'outranked', why: 'They may see it, but another comes first.', gates }
  })
}

function whyWon(gates: Gate[]): string {
  const found = gates.find(({ stage }) => stage === 'arbitration') ?? gates.find(({ stage }) => stage === 'variant')
  return found ? sentence(found.text) : 'It comes first.'
}

/** The first part of a rule that failed says most; parts of parts say it more closely. */
function whyNot({ text, truth, parts }: Gate): string {
  const failed = parts.filter((part) => part.truth === truth)
  const deepest = failed.find((part, index) => (failed[index + 1]?.depth ?? 0) <= part.depth)
  return sentence(deepest ? `${text}: ${deepest.text}` : text)
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.')

/** Steps with the parts of their rules below them. */
function gatesOf(steps: Step[]): Gate[] {
  const gates: Gate[] = []
  for (const { stage, text, truth, pointer, valid_until: validUntil } of steps) {
    const gate = gates[gates.length - 1]
    if (pointer !== undefined && gate?.stage === stage) {
      // A rule names each of its parts by two members: `/eligibility/all/0`.
      const depth = Math.ceil((pointer.split('/').length - 2) / 2)
      gate.parts.push({ depth, text: text.replace(/^`[^`]+`: /, ''), truth })
    } else gates.push({ stage, text, truth, validUntil, parts: [] })
  }
  return gates
}
